"""Loss, step, checkpoints, logs, and the loop that drives them."""
