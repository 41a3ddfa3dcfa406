"""What a repository lacks to be delivered by junov, written from what it has. Pure but for reading.

read_folder()  →  Facts  →  plan()  →  Plan: the files to write, and what is left to do by hand
"""

from junov.scaffold.facts import Facts, read_folder
from junov.scaffold.plan import Plan, PlannedFile, plan

__all__ = ["Facts", "Plan", "PlannedFile", "plan", "read_folder"]
