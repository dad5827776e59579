"""From a model to a file that was proved: what both exporters share."""
