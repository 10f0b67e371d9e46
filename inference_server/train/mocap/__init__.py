"""Motion capture from free archives as joint rotations of the SMPL skeleton."""
