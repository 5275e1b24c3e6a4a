"""Start, watch and end processes; give them locks, temporary folders and environment variables."""
