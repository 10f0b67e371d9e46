"""A person at a real Blender: the button, the bar, cancel, and what is left when Blender is killed."""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

from conftest import ROOT, VIDEO

# the panel's rows, in widget heights below the top of the region
CAPTURE_BUTTON = 3.65
CANCEL_BUTTON = 7.0
SET_UP_BUTTON = 11.0
LONG_VIDEO = ROOT / "tests" / "data" / "videos" / "pose2sim_single_cam01.mp4"


def gone(pid: int) -> bool:
    """Whether a process has ended; one that waits for its parent to notice counts."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def wait_gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not gone(pid):
        time.sleep(0.05)
    return gone(pid)


def test_a_click_makes_a_rig_with_keys_and_fbx(open_window, tmp_path: Path) -> None:
    folder = tmp_path / "videos d'été"
    folder.mkdir()
    window = open_window(Path(shutil.copy(VIDEO, folder / "squats & more.mp4")))
    window.shot("panel")
    window.click(CAPTURE_BUTTON)
    window.wait(lambda s: s["running"], 20)
    fractions = set()

    def over(status: dict) -> bool:
        if status["fraction"] not in fractions and 0.3 < status["fraction"] < 0.9 and len(fractions) < 40:
            window.shot("running")
        fractions.add(status["fraction"])
        return not status["running"]

    status = window.wait(over, 120)
    assert status["error"] == "" and "65 frames" in status["result"]
    assert len(fractions) >= 4, "the bar moved"
    assert status["bones"] == [24]
    assert max(status["rigs"].values()) > 300  # 13 s of a 5 fps video, at the scene's 24 fps
    window.say("bpy.context.scene.frame_end = 310; bpy.context.scene.frame_set(150)")
    window.say("bpy.ops.object.select_all(action='DESELECT')")
    time.sleep(1.0)
    window.shot("captured")
    fbx = folder / "take 1.fbx"
    window.say("bpy.context.view_layer.objects.active = next(o for o in bpy.data.objects if o.type == 'ARMATURE')")
    window.say(f"bpy.ops.int_mocap.export(filepath={str(fbx)!r}, format='fbx')")
    assert fbx.stat().st_size > 100_000
    child = status["child"]
    assert child and not gone(child), "the process is kept warm for the next capture"
    window.say("bpy.ops.preferences.addon_disable(module='bl_ext.user_default.int_mocap')")
    assert wait_gone(child, 5.0)
    assert not window.status["enabled"]


def test_cancel_by_a_click_leaves_nothing_and_the_next_capture_works(open_window) -> None:
    window = open_window(LONG_VIDEO)
    window.say("settings.quality = 'best'")
    window.click(CAPTURE_BUTTON)
    child = window.wait(lambda s: s["running"] and s["fraction"] > 0.1, 60)["child"]
    window.shot("before_cancel")
    window.click(CANCEL_BUTTON)
    window.wait(lambda s: not s["running"], 10)
    assert wait_gone(child, 2.0)
    assert window.status["rigs"] == {} and window.status["error"] == ""
    window.shot("after_cancel")
    window.say(f"settings.video = {str(VIDEO)!r}; settings.quality = 'fast'")
    window.click(CAPTURE_BUTTON)
    window.wait(lambda s: s["running"], 20)
    status = window.wait(lambda s: not s["running"], 120)
    assert status["bones"] == [24] and status["child"] != child


def test_a_killed_blender_takes_the_process_along(open_window) -> None:
    window = open_window(LONG_VIDEO)
    window.click(CAPTURE_BUTTON)
    child = window.wait(lambda s: s["running"] and s["fraction"] > 0.1, 60)["child"]
    os.kill(window.process.pid, signal.SIGKILL)
    assert wait_gone(child, 3.0)


def test_a_bad_video_is_told_in_a_sentence(open_window, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video at all" * 100)
    window = open_window(bad)
    window.click(CAPTURE_BUTTON)
    status = window.wait(lambda s: bool(s["error"]), 60)
    assert not status["running"] and status["rigs"] == {} and "bad.mp4" in status["error"]
    time.sleep(1.0)
    window.shot("error")


def test_from_no_environment_to_a_take_by_clicks(open_window, tmp_path: Path) -> None:
    """An environment that is there serves where pip would fetch one: the set-up looks through it, and marks it."""
    home = Path(os.environ.get("INT_MOCAP_INFERENCE", sys.executable)).parents[1]
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    window = open_window(VIDEO, inference="")
    window.say(
        "p = bpy.context.preferences.addons['bl_ext.user_default.int_mocap'].preferences; "
        f"p.folder = {str(home)!r}; p.wheels = {str(wheels)!r}; p.base_python = {sys.executable!r}; p.torch = 'cpu'; "
        "p.inference_python = ''"
    )
    window.click(CAPTURE_BUTTON)
    window.wait(lambda s: "not set up" in s["error"], 20)
    window.away()
    window.shot("not_set_up")
    window.click(SET_UP_BUTTON)
    window.wait(lambda s: s["setting_up"] or s["set_up"], 20)
    window.shot("setting_up")
    window.wait(lambda s: s["set_up"], 180)
    time.sleep(1.0)
    window.shot("set_up")
    assert window.status["error"] == ""
    window.click(CAPTURE_BUTTON)
    window.wait(lambda s: s["running"], 20)
    status = window.wait(lambda s: not s["running"], 120)
    assert status["bones"] == [24] and status["error"] == ""


def test_undo_people_and_the_camera_that_matches(open_window) -> None:
    window = open_window(VIDEO)
    window.say("bpy.data.objects.remove(bpy.data.objects['Cube'])")
    window.say("bpy.ops.int_mocap.find_people()")
    window.shot("start")
    window.wait(lambda s: s["people"] == 1, 60)
    time.sleep(1.0)
    window.shot("people")
    window.say("bpy.ops.int_mocap.choose_person(number=1)")
    window.click(CAPTURE_BUTTON)
    window.wait(lambda s: s["running"], 20)
    window.wait(lambda s: 0.4 < s["fraction"] < 0.95 or not s["running"], 60)
    window.shot("progress")
    status = window.wait(lambda s: not s["running"] and s["rigs"], 120)
    window.key("ctrl+z")
    window.wait(lambda s: s["rigs"] == {}, 10)
    window.key("ctrl+shift+z")
    assert window.wait(lambda s: bool(s["rigs"]), 10)["rigs"] == status["rigs"]
    window.say("bpy.context.view_layer.objects.active = next(o for o in bpy.data.objects if o.type == 'ARMATURE')")
    window.say("bpy.ops.int_mocap.match_camera()")
    view = "next(a for a in bpy.data.window_managers[0].windows[0].screen.areas if a.type == 'VIEW_3D').spaces.active"
    window.say(f"{view}.region_3d.view_perspective = 'CAMERA'; bpy.context.scene.frame_set(200)")
    time.sleep(2.0)
    window.shot("camera")
    window.say(
        "w = bpy.context.window_manager.windows[0]; a = next(x for x in w.screen.areas if x.type == 'VIEW_3D'); "
        "r = next(x for x in a.regions if x.type == 'WINDOW'); "
        "bpy.context.temp_override(window=w, screen=w.screen, area=a, region=r).__enter__(); "
        "bpy.ops.int_mocap.side_by_side()"
    )
    window.wait(lambda s: s["areas"] == 2, 10)
    time.sleep(2.0)
    window.shot("side_by_side")
    print(f"longest stall {1000 * window.status['slowest']:.0f} ms")
    assert window.status["slowest"] < 0.5, "the window never stalls for long"
