"""From one person's landmarks to the take: un-swapping, analytic IK, the fit, the world."""
