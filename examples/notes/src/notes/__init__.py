"""Notes: a small web application with everything a delivery has to take care of."""
