"""The paper's own training (section 4.2): its data sets, its augmentations, its three phases."""
