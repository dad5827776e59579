"""Layers that are put inside the network."""
