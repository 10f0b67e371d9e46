"""What the buttons do."""

from . import capture, export, people, setup, view

CLASSES = (*capture.CLASSES, *export.CLASSES, *people.CLASSES, *setup.CLASSES, *view.CLASSES)
