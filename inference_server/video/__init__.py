"""Decoding: frames with their timestamps, upright, in bounded memory."""
