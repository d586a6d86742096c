"""Reads photographs and turns them into batches of image pyramids.

This package uses NumPy and grain only: the worker processes must not load JAX.
"""
