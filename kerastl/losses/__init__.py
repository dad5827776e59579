"""Terms that compare student and source features."""
