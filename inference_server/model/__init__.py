"""INT: 3D human pose and shape from independent tokens (ICLR 2023), image or landmark evidence."""
