"""The command line: words, tables and exit codes. It decides nothing."""
