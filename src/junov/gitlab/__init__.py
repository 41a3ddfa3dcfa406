"""GitLab: its API, its runners' configuration, and the file that its pipelines are made from."""
