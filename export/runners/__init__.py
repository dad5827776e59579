"""What answers images, a network or a file, and what is measured of it."""
