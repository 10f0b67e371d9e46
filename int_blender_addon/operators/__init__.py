"""What the buttons do."""

from . import capture, export, own_files, people, setup, source, view

CLASSES = (
    *capture.CLASSES,
    *export.CLASSES,
    *own_files.CLASSES,
    *people.CLASSES,
    *setup.CLASSES,
    *source.CLASSES,
    *view.CLASSES,
)
