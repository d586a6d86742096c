"""Photographs in, batches of image pyramids out. NumPy and grain only: worker processes must not load JAX."""
