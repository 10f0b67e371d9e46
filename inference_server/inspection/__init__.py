"""What a model learned, as pictures: the prior its tokens hold, where they look, and which frames they join."""

from .report import inspect_video

__all__ = ["inspect_video"]
