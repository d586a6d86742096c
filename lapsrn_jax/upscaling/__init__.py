"""Enlarges images of any size and kind with a network, singly or in batches."""
