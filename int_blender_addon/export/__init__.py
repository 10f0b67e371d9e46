"""Takes on rigs to files that other programs read."""
