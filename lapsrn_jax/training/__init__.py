"""Training: loss, step, checkpoints, logs, and the loop that drives them."""
