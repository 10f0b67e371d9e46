"""What the buttons do."""

from . import capture, export

CLASSES = (*capture.CLASSES, *export.CLASSES)
