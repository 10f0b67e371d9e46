"""Registering with Blender, and leaving nothing behind."""

from __future__ import annotations

import atexit

import bpy

from . import cleanup, jobs, operators, panels, preferences, properties, retarget_panel, translations
from .operators import people, preview, retarget, setup

_CLASSES = (
    *preferences.CLASSES,
    *properties.CLASSES,
    *cleanup.CLASSES,
    *retarget.GROUPS,
    *operators.CLASSES,
    *panels.CLASSES,
    *retarget_panel.CLASSES,
)


def register() -> None:
    """Make the add-on's classes known; may be repeated."""
    unregister()
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    properties.register()
    cleanup.register()
    retarget.register()
    translations.register()
    bpy.app.handlers.load_pre.append(_before_load)
    atexit.register(jobs.stop)
    atexit.register(setup.stop)
    atexit.register(people.stop)
    atexit.register(preview.stop)


def unregister() -> None:
    """Take everything back: processes, timers, handlers, properties, classes."""
    jobs.stop()
    setup.stop()
    people.stop()
    preview.stop()
    atexit.unregister(jobs.stop)
    atexit.unregister(setup.stop)
    atexit.unregister(people.stop)
    atexit.unregister(preview.stop)
    if _before_load in bpy.app.handlers.load_pre:
        bpy.app.handlers.load_pre.remove(_before_load)
    if hasattr(bpy.types.WindowManager, "int_mocap"):
        properties.unregister()
        cleanup.unregister()
        retarget.unregister()
        translations.unregister()
    for cls in reversed(_CLASSES):
        if cls.is_registered:
            bpy.utils.unregister_class(cls)


@bpy.app.handlers.persistent
def _before_load(*_: object) -> None:
    """Another file is about to be opened: what runs was for this one."""
    if jobs.state.current is not None:
        jobs.state.current.rigs.clear()  # the file takes them with it
        jobs.cancel()
