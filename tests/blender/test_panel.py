"""The add-on registered, and a capture through its operators with the real inference process."""

import os
import time
from pathlib import Path

import bpy
import pytest

import int_blender_addon
from int_blender_addon import jobs, keyframes
from int_blender_addon.client import PYTHON_VARIABLE, find_python
from int_blender_addon.core.errors import InferenceMissingError, MocapError

REPOSITORY = Path(__file__).resolve().parents[2]
VIDEO = REPOSITORY / "tests" / "data" / "videos" / "tfjs_pose_squats.mp4"


def inference_is_set_up() -> bool:
    try:
        find_python()
    except MocapError:
        return False
    return True


needs_inference = pytest.mark.skipif(not inference_is_set_up(), reason="no inference environment")


@pytest.fixture
def addon(empty_scene):
    int_blender_addon.register()
    yield bpy.context.window_manager.int_mocap
    int_blender_addon.unregister()


def run_timers(until, seconds: float) -> None:
    """Blender without a window runs no timers: tick as it would."""
    deadline = time.monotonic() + seconds
    while not until() and time.monotonic() < deadline:
        jobs._tick()
        time.sleep(0.02)
    assert until(), "nothing came of it in time"


def test_registration_can_be_repeated_and_leaves_nothing() -> None:
    before = set(dir(bpy.types)), len(bpy.app.handlers.load_pre)
    for _ in range(2):
        int_blender_addon.register()
    assert hasattr(bpy.types, "INT_MOCAP_PT_capture")
    assert hasattr(bpy.types.WindowManager, "int_mocap")
    int_blender_addon.unregister()
    assert (set(dir(bpy.types)), len(bpy.app.handlers.load_pre)) == before
    assert not hasattr(bpy.types.WindowManager, "int_mocap")
    assert not bpy.app.timers.is_registered(jobs._tick)


@needs_inference
def test_capture_makes_a_rig_with_keys(addon) -> None:
    addon.video, addon.quality = str(VIDEO), "fast"
    assert bpy.ops.int_mocap.capture() == {"FINISHED"}
    stages = set()

    def over() -> bool:
        if jobs.state.current is not None:
            stages.add(jobs.state.current.stage)
        return jobs.state.current is None

    run_timers(over, 120)
    assert jobs.state.last_error is None
    assert {"people", "motion"} & stages
    armature = bpy.context.view_layer.objects.active
    assert armature.type == "ARMATURE" and len(armature.data.bones) == 24
    curves = keyframes.curves_of(armature.animation_data.action)
    assert len(curves) == 103  # four quaternion channels a bone, the pelvis's place, four contacts
    assert [child.type for child in armature.children] == ["MESH"]


@needs_inference
def test_cancel_ends_the_process_and_cleans_the_scene(addon) -> None:
    addon.video, addon.quality = str(VIDEO), "best"
    bpy.ops.int_mocap.capture()
    run_timers(lambda: jobs.state.current.done > 3, 60)
    pid = jobs.state.current.client.pid
    bpy.ops.int_mocap.cancel()
    deadline = time.monotonic() + 2.0
    while _exists(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _exists(pid)
    assert not bpy.data.objects
    addon.quality = "fast"
    assert bpy.ops.int_mocap.capture() == {"FINISHED"}
    run_timers(lambda: jobs.state.current is None, 120)
    assert len(bpy.data.armatures) == 1


@needs_inference
def test_a_bad_video_is_a_sentence_with_a_hint(addon, tmp_path) -> None:
    bad = tmp_path / "not a video ä'\".mp4"
    bad.write_bytes(b"nothing of the kind" * 100)
    addon.video = str(bad)
    bpy.ops.int_mocap.capture()
    run_timers(lambda: jobs.state.current is None, 60)
    assert jobs.state.last_error.code == "video_unreadable"
    assert jobs.state.last_error.hint
    assert not bpy.data.objects


@needs_inference
def test_a_killed_child_is_told(addon) -> None:
    addon.video = str(VIDEO)
    bpy.ops.int_mocap.capture()
    run_timers(lambda: jobs.state.current.done > 1, 60)
    os.kill(jobs.state.current.client.pid, 9)
    run_timers(lambda: jobs.state.current is None, 10)
    assert jobs.state.last_error.code == "inference_died"


@needs_inference
def test_opening_a_file_ends_the_capture(addon) -> None:
    addon.video = str(VIDEO)
    bpy.ops.int_mocap.capture()
    pid = jobs.state.current.client.pid
    bpy.ops.wm.read_factory_settings(use_empty=True)
    assert jobs.state.current is None
    deadline = time.monotonic() + 2.0
    while _exists(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _exists(pid)


def test_no_video_and_no_environment_are_sentences(addon, monkeypatch) -> None:
    with pytest.raises(RuntimeError, match="No video is chosen"):
        bpy.ops.int_mocap.capture()
    addon.video = str(VIDEO)
    monkeypatch.setenv(PYTHON_VARIABLE, "/nowhere/python")
    with pytest.raises(RuntimeError, match="which is not there"):
        bpy.ops.int_mocap.capture()
    assert isinstance(jobs.state.last_error, InferenceMissingError)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@needs_inference
def test_people_are_found_and_chosen_by_picture(addon) -> None:
    from int_blender_addon.operators import people

    addon.video = str(VIDEO)
    bpy.ops.int_mocap.find_people()
    deadline = time.monotonic() + 60
    while people._tick() is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [person["person_id"] for person in people.state.people] == [1]
    assert people.state.pictures is not None and people.state.pictures["1"].image_size[0] > 20
    bpy.ops.int_mocap.choose_person(number=1)
    assert addon.person == "number" and addon.person_number == 1
    addon.video = "/nowhere.mp4"
    bpy.ops.int_mocap.find_people()
    while people._tick() is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert jobs.state.last_error is not None and "nowhere" in jobs.state.last_error.message
    folder = Path(people.state.folder.name)
    people.stop()
    assert not folder.exists() and people.state.pictures is None


def test_a_dropped_video_is_taken(addon) -> None:
    assert bpy.ops.int_mocap.use_video(filepath="/a b/c.mp4") == {"FINISHED"}
    assert addon.video == "/a b/c.mp4"
    assert ".mp4" in bpy.types.INT_MOCAP_FH_video.bl_file_extensions


@needs_inference
def test_captures_wait_for_each_other(addon, tmp_path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"nothing")
    addon.video, addon.quality, addon.use_trim, addon.end = str(VIDEO), "fast", True, 2.0
    bpy.ops.int_mocap.capture()
    for video in (str(bad), str(VIDEO), str(VIDEO)):
        addon.video = video
        bpy.ops.int_mocap.capture()
    assert len(jobs.state.waiting) == 3
    run_timers(lambda: len(jobs.state.waiting) == 1, 120)
    bpy.ops.int_mocap.clear_queue()
    run_timers(lambda: jobs.state.current is None, 120)
    assert sum(o.type == "ARMATURE" for o in bpy.data.objects) == 2
    assert jobs.state.last_error is not None and "bad.mp4" in jobs.state.last_error.message
