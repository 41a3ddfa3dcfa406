"""junov: every branch gets a URL, its own database and a wall around it, on your own server."""

__version__ = "0.1.0"
