"""What a picture is: reading and writing, colour, resizing. Without JAX."""
