"""What the buttons do."""

from . import bring, capture, export, own_files, people, retarget, setup, source, tools, view

CLASSES = (
    *bring.CLASSES,
    *capture.CLASSES,
    *export.CLASSES,
    *own_files.CLASSES,
    *people.CLASSES,
    *retarget.CLASSES,
    *setup.CLASSES,
    *source.CLASSES,
    *tools.CLASSES,
    *view.CLASSES,
)
