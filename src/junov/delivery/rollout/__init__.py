"""Changing what an environment runs, without anybody who uses it noticing.

`rollout` is the story; each of its steps has a file of its own here.
"""
