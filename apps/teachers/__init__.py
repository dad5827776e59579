"""Bigger networks that a student learns the answers of."""
