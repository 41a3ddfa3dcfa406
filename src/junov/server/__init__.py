"""The server itself: its machine, its images, its own stack, and what is wrong with them."""
