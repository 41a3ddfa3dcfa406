"""The load under which deliveries are measured, and the benchmark that measures them."""
