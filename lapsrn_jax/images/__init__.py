"""What a picture is: reading and writing, colour, resizing. NumPy only."""
