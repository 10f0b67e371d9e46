"""Video files to upright RGB frames with true times."""

from .frames import Frame, read_frames
from .probe import VideoInfo, open_video

__all__ = ["Frame", "VideoInfo", "open_video", "read_frames"]
