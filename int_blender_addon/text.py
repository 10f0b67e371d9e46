"""The words of the interface, in one place."""

TAB = "INT Mocap"

STAGES = {
    "starting": "Starting the inference process",
    "people": "Finding people",
    "motion": "Fitting the motion",
    "image": "Reading the pictures",
    "building": "Building the rig",
    "cancelling": "Stopping",
    "INT": "Reading the pictures",
    "python": "Making the environment:",
    "disk": "Disk:",
    "packages": "Installing",
    "check": "Checking:",
    "done": "Done:",
}


def duration(seconds: float) -> str:
    """Seconds as a person reads them."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


TRAVELLING = (
    "The camera travelled: the way over the floor is not to be trusted. Solve the clip in the Movie Clip Editor, "
    "then capture with the scene's camera."
)
