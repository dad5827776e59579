"""What acts between batches or epochs."""
