"""Runs inside the Blender under test: opens the tab, and tells a status file what is there, twenty times a second.

    blender --python tests/gui/drive.py -- STATUS.json COMMANDS.json VIDEO

The test reads the status, and asks for what has no button (a video's path, the size of the window's parts). Buttons
are pressed by real clicks.
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path

import bpy

STATUS, COMMANDS, VIDEO = (Path(word) for word in sys.argv[sys.argv.index("--") + 1 :][:3])
TAB = "INT Mocap"
MODULE = "bl_ext.user_default.int_mocap"
bpy.context.preferences.view.show_splash = False
done_commands: list[str] = []


def jobs():
    return sys.modules.get(f"{MODULE}.int_blender_addon.jobs")


def people():
    return sys.modules.get(f"{MODULE}.int_blender_addon.operators.people")


def setup():
    return sys.modules.get(f"{MODULE}.int_blender_addon.operators.setup")


def view3d():
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    return window, area, next(region for region in area.regions if region.type == "UI")


def status() -> dict:
    window, _, region = view3d()
    state = jobs().state if jobs() else None
    job = state.current if state else None
    rigs = [o for o in bpy.data.objects if o.type == "ARMATURE"]
    return {
        "version": bpy.app.version_string,
        "window": [window.width, window.height],
        "region": [region.x, region.y, region.width, region.height],
        "tab": getattr(region, "active_panel_category", TAB),
        "unit": bpy.context.preferences.system.ui_scale,
        "running": job is not None,
        "stage": job.stage if job else "",
        "fraction": job.fraction if job else 0.0,
        "child": state.client.pid if state and state.client is not None else None,
        "error": state.last_error.message if state and state.last_error else "",
        "result": state.last_result if state else "",
        "rigs": {o.name: round(o.animation_data.action.frame_range[1]) for o in rigs if o.animation_data},
        "bones": [len(o.data.bones) for o in rigs],
        "enabled": MODULE in bpy.context.preferences.addons,
        "commands": len(done_commands),
        "people": len(people().state.people) if people() else 0,
        "slowest": slowest[0],
        "areas": sum(area.type == "VIEW_3D" for area in window.screen.areas),
        "setting_up": bool(setup() and setup().state.running is not None),
        "set_up": bool(setup() and setup().state.last is not None and setup().state.last.finished),
        "takes": [o.name for o in rigs if o.animation_data and o.animation_data.action],
    }


def obey() -> None:
    if not COMMANDS.exists():
        return
    for text in COMMANDS.read_text().splitlines()[len(done_commands) :]:
        done_commands.append(text)
        exec(text, {"bpy": bpy, "settings": bpy.context.window_manager.int_mocap})  # the test's own words


slowest = [0.0]


def time_the_addon() -> None:
    """Note how long the add-on's own timer keeps the window waiting."""
    module = jobs()
    if module is None or hasattr(module._tick, "timed"):
        return
    original = module._tick

    def timed() -> float | None:
        began = time.perf_counter()
        try:
            return original()
        finally:
            slowest[0] = max(slowest[0], time.perf_counter() - began)

    timed.timed = True
    module._tick = timed


def tick() -> float:
    try:
        time_the_addon()
        _, area, region = view3d()
        area.spaces.active.show_region_ui = True
        if getattr(region, "active_panel_category", TAB) != TAB and region.width > 1:
            region.active_panel_category = TAB
        obey()
        aside = STATUS.with_suffix(".tmp")
        aside.write_text(json.dumps(status()))
        os.replace(aside, STATUS)
    except Exception:
        traceback.print_exc()
    return 0.05


bpy.app.timers.register(tick, first_interval=0.5, persistent=True)
bpy.context.window_manager.int_mocap.video = str(VIDEO)
bpy.context.window_manager.int_mocap.quality = "fast"
