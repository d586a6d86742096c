"""Images as arrays: colour, resizing, reading and writing 8-bit files. Does not import JAX."""
