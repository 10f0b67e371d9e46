"""Weights that people bring: the authors' checkpoints, read without trust, kept as safetensors."""
