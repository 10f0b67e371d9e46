"""Training: data, losses, the trainer, and the files that ship because of it."""
