"""What a user writes, read and validated: `junov.yaml`, `server.yaml` and where state is kept."""
