"""What a device needs of a file, and whether the file has it."""
