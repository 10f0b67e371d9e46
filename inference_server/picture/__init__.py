"""Pictures of a take: the posed body over the video, and from other sides."""

from .sheet import draw_sheet

__all__ = ["draw_sheet"]
