"""What goes with a file to the device: labels, figures, source code."""
