"""Downloads of the training and benchmark photographs, checked. Without JAX."""
