"""Backups: an environment's database as a file of this machine, and the way back from it."""
