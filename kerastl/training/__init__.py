"""What a training step is made of, inside `FineTuner` and beside it."""
