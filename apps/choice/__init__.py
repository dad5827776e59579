"""Which network and which method to take for these photos."""
