"""Folders of photos and bundled digits, as batches."""
