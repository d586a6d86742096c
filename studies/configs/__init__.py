"""Grids for the tying study, as Python files with a `get_grid()`."""
