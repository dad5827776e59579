"""Weights that answer in an int8 file as they do in float."""
