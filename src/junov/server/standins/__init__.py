"""Stand-ins for official images, where no image registry can be reached.

README.md beside this file explains the recipes.
"""
