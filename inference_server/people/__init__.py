"""From frames to people: BlazePose's detector and landmark networks, and tracking with identities."""
