"""The container engine: Docker, its Compose and its builder. Nothing else knows them."""
