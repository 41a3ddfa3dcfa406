"""The stories: lint, build, test, promote, deploy, and what can be done with an environment."""
