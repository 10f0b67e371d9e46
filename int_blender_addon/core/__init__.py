"""What Blender and the inference process share: numpy and the standard library, no bpy, no torch."""
