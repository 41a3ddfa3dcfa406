"""From layered compose files to the stack of one environment and one image. Pure."""
