"""Looks at photos before any training."""
