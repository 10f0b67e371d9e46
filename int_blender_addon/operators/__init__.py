"""What the buttons do."""

from . import capture, export, setup, view

CLASSES = (*capture.CLASSES, *export.CLASSES, *setup.CLASSES, *view.CLASSES)
