"""Scores that can be trusted: the definitions of the literature, with everything left out said."""
