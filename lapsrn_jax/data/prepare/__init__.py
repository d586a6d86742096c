"""Downloads and checks the training and benchmark photographs. It does not need JAX."""
