"""Retargeting in Blender: armatures read as skeletons, motion sampled and written, presets found."""
