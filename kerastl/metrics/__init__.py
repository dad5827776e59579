"""Measures beside accuracy."""
