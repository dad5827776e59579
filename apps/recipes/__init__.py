"""Methods, ready to run: one row each."""
