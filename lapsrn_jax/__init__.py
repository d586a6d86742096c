"""Laplacian-pyramid super-resolution with functional weight tying, in JAX and Flax."""

__version__ = "0.1.0"
