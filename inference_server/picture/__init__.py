"""Pictures of a take: the posed body over the video, and from other sides."""

from .before_after import draw_before_after
from .sheet import draw_sheet

__all__ = ["draw_before_after", "draw_sheet"]
