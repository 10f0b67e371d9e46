"""Registering with Blender, and leaving nothing behind."""

from __future__ import annotations

import atexit

import bpy

from . import cleanup, jobs, operators, panels, preferences, properties, retarget_panel, translations
from .operators import bring, export, people, preview, retarget, setup

_CLASSES = (
    *preferences.CLASSES,
    *properties.CLASSES,
    *cleanup.CLASSES,
    *retarget.GROUPS,
    *operators.CLASSES,
    *panels.CLASSES,
    *retarget_panel.CLASSES,
)

_STOPS = (jobs.stop, setup.stop, people.stop, preview.stop, bring.stop)


def _draw_import(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
    menu.layout.operator(bring.INT_MOCAP_OT_import.bl_idname, text="INT Mocap motion")


def _draw_export(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
    menu.layout.operator(export.INT_MOCAP_OT_export.bl_idname, text="INT Mocap motion")


_MENUS = ((bpy.types.TOPBAR_MT_file_import, _draw_import), (bpy.types.TOPBAR_MT_file_export, _draw_export))


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
    for stop in _STOPS:
        atexit.register(stop)
    for menu, draw in _MENUS:
        menu.append(draw)


def unregister() -> None:
    """Take everything back: processes, timers, handlers, properties, classes."""
    for stop in _STOPS:
        stop()
        atexit.unregister(stop)
    for menu, draw in _MENUS:
        menu.remove(draw)
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
