"""The add-on registered, and a capture through its operators with the real inference process."""

import contextlib
import os
import shutil
import subprocess
import time
import wave
from pathlib import Path

import bpy
import pytest

import int_blender_addon
from int_blender_addon import cleanup, jobs, keyframes, own_files
from int_blender_addon.client import PYTHON_VARIABLE, clean_environment, find_python
from int_blender_addon.core.errors import InferenceMissingError, MocapError
from int_blender_addon.operators import source

REPOSITORY = Path(__file__).resolve().parents[2]
VIDEO = REPOSITORY / "tests" / "data" / "videos" / "tfjs_pose_squats.mp4"
LONG = REPOSITORY / "tests" / "data" / "videos" / "pose2sim_single_cam01.mp4"


def inference_is_set_up() -> bool:
    try:
        find_python()
    except MocapError:
        return False
    return True


needs_inference = pytest.mark.skipif(not inference_is_set_up(), reason="no inference environment")


@pytest.fixture
def addon(empty_scene, tmp_path, monkeypatch):
    monkeypatch.setenv("INT_MOCAP_DATA", str(tmp_path / "own data"))
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
    # four quaternion channels a bone, the pelvis's place, contacts
    assert len(curves) == 24 * 4 + 3 + len(keyframes.CHANNELS)
    assert [child.type for child in armature.children] == ["MESH"]


@needs_inference
def test_a_capture_through_the_scenes_camera_lands_in_its_world(addon) -> None:
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y, scene.render.fps = 720, 1280, 5
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    addon.video, addon.quality, addon.camera = str(VIDEO), "fast", "scene"
    with pytest.raises(RuntimeError):  # there is none yet: said at once
        bpy.ops.int_mocap.capture()
    scene.camera = camera
    camera.location, camera.rotation_euler = (3.0, -1.0, 1.0), (1.5, 0.0, 0.5)
    camera.data.lens = 30.0
    bpy.context.view_layer.update()
    assert bpy.ops.int_mocap.capture() == {"FINISHED"}
    run_timers(lambda: jobs.state.current is None, 120)
    assert jobs.state.last_error is None
    armature = bpy.context.view_layer.objects.active
    assert cleanup.raw_take(armature)[0].camera == "scene"
    scene.frame_set(20)
    head, pelvis, foot = (armature.matrix_world @ armature.pose.bones[n].head for n in ("head", "pelvis", "left_foot"))
    seen = camera.matrix_world.inverted() @ pelvis
    assert -8.0 < seen.z < -1.0 and abs(seen.x) < -0.5 * seen.z  # before the camera
    assert abs(foot.z) < 0.15 and 1.0 < head.z < 2.2  # on the scene's floor


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


def error_of(addon, **settings) -> str:
    """The code of the error that a capture with some settings ends in."""
    for name, value in settings.items():
        setattr(addon, name, value)
    jobs.state.last_error = None
    with contextlib.suppress(RuntimeError):  # told at once
        bpy.ops.int_mocap.capture()
    run_timers(lambda: jobs.state.current is None, 90)
    assert jobs.state.last_error is not None
    return jobs.state.last_error.code


class Drawn:
    """Stands where a layout does, and keeps what is drawn: Blender without a window draws no panel."""

    def __init__(self) -> None:
        self.labels, self.operators = [], []

    def label(self, text: str = "", icon: str = "NONE") -> None:
        assert icon in bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items
        self.labels.append(text)

    def operator(self, name: str, icon: str = "NONE", **_) -> None:
        module, _, verb = name.partition(".")
        assert hasattr(getattr(bpy.ops, module), verb) and getattr(getattr(bpy.ops, module), verb).get_rna_type()
        self.operators.append(name)


@needs_inference
def test_each_error_is_a_sentence_with_what_repairs_it(addon, tmp_path) -> None:
    from int_blender_addon.panels import draw_error

    nothing, sound = tmp_path / "nothing é.mp4", tmp_path / "sound.wav"
    nothing.write_bytes(b"nothing of the kind" * 100)
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    fake = tmp_path / "fake.npz"
    fake.write_bytes(b"no body")
    torn = tmp_path / "torn.pth.tar"
    torn.write_bytes(b"no model")
    own_files.add("body", fake)
    own_files.add("model", torn)
    plain = {"use_trim": False, "person": "auto", "model": "auto", "body": "free", "device": "auto", "quality": "fast"}
    cases = [
        ("video_missing", {"video": str(tmp_path / "away.mp4")}),
        ("video_unreadable", {"video": str(nothing)}),
        ("no_video_stream", {"video": str(sound)}),
        ("video_empty", {"video": str(VIDEO), "use_trim": True, "start": 500.0, "end": 600.0}),
        ("person_missing", {"video": str(VIDEO), "person": "number", "person_number": 9, "use_trim": True, "end": 2.0}),
        ("body_file", {"video": str(VIDEO), "body": str(fake)}),
        ("model_file", {"video": str(VIDEO), "model": str(torn)}),
        ("device", {"video": str(VIDEO), "device": "cuda"}),
    ]
    for code, settings in cases:
        if code == "device" and os.environ.get("CUDA_VISIBLE_DEVICES") is None and shutil.which("nvidia-smi"):
            continue
        assert error_of(addon, **{**plain, "start": 0.0, **settings}) == code, settings
        error, layout = jobs.state.last_error, Drawn()
        draw_error(bpy.context, layout, error, 40)
        assert error.message.endswith(".") and error.hint and "\n" not in error.message
        assert "".join("".join(layout.labels).split()) == "".join((error.message + error.hint).split())
        assert layout.operators, f"something repairs {code}"
        assert not bpy.data.objects


def test_every_repair_is_there(addon) -> None:
    from int_blender_addon.core.errors import ERROR_TYPES
    from int_blender_addon.panels import REPAIRS, draw_error

    assert set(REPAIRS) <= set(ERROR_TYPES)
    for code in REPAIRS:
        layout = Drawn()
        draw_error(bpy.context, layout, ERROR_TYPES[code]("Something.", "Do this."), 40)
        assert len(layout.operators) == 1


@needs_inference
def test_a_take_becomes_an_action_or_a_strip_of_a_rig_that_is_there(addon) -> None:
    addon.video, addon.quality, addon.use_trim, addon.end = str(VIDEO), "fast", True, 3.0
    bpy.ops.int_mocap.capture()
    run_timers(lambda: jobs.state.current is None, 120)
    armature = bpy.context.view_layer.objects.active
    first = armature.animation_data.action
    addon.where = "action"
    bpy.ops.int_mocap.capture()
    run_timers(lambda: jobs.state.current is None, 120)
    assert len(bpy.data.armatures) == 1 and armature.animation_data.action != first
    assert first.use_fake_user and cleanup.TAKE_PROPERTY in first, "the earlier take is kept"
    assert cleanup.has_take(armature)
    second = armature.animation_data.action
    addon.where, addon.match_rate = "strip", True
    bpy.ops.int_mocap.capture()
    run_timers(lambda: jobs.state.current is None, 120)
    assert jobs.state.last_error is None
    assert armature.animation_data.action == second
    (track,) = armature.animation_data.nla_tracks
    (strip,) = track.strips
    assert strip.action not in (first, second) and strip.frame_end - strip.frame_start > 10
    assert bpy.context.scene.render.fps == 5, "the rate of the video, as asked"
    bpy.ops.object.select_all(action="DESELECT")
    bpy.context.view_layer.objects.active = None
    with pytest.raises(RuntimeError, match="no rig of this add-on"):
        bpy.ops.int_mocap.capture()


@needs_inference
def test_a_cancelled_capture_can_be_kept(addon, tmp_path) -> None:
    long = tmp_path / "long.mp4"
    script = f"""
import av
from inference_server.video import read_frames
with av.open({str(long)!r}, "w") as container:
    stream = container.add_stream("mpeg4", rate=30)
    stream.bit_rate = 4_000_000
    frames = [frame.image for frame in read_frames({str(LONG)!r})]
    stream.height, stream.width = frames[0].shape[:2]
    for _ in range(4):
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
    container.mux(stream.encode())
"""
    subprocess.run([str(find_python()), "-c", script], check=True, env=clean_environment())
    addon.video, addon.quality = str(long), "fast"
    bpy.ops.int_mocap.capture()
    run_timers(lambda: jobs.state.current is None or jobs.state.current.stretches, 120)
    assert jobs.state.current is not None, "stretches come before the end"
    bpy.ops.int_mocap.cancel(keep=True)
    (armature,) = (o for o in bpy.data.objects if o.type == "ARMATURE")
    assert cleanup.has_take(armature) and jobs.PROVISIONAL not in armature
    assert len(keyframes.curves_of(armature.animation_data.action)[0].keyframe_points) > 20
    cleanup.controls(armature).smooth = 0.9
    cleanup.apply(armature)


def test_own_models_and_bodies_are_kept_on_a_list(addon, tmp_path) -> None:
    body = tmp_path / "SMPL ü.npz"
    with pytest.raises(RuntimeError, match="no file"):
        bpy.ops.int_mocap.add_body(filepath=str(body))
    body.write_bytes(b"x")
    bpy.ops.int_mocap.add_body(filepath=str(body))
    assert addon.body == str(body) and own_files.listed("body") == [body]
    assert addon.message()["body"] == str(body)
    with pytest.raises(RuntimeError, match="none of"):
        bpy.ops.int_mocap.add_model(filepath=str(body))
    bpy.ops.int_mocap.remove_file(kind="body", path=str(body))
    assert addon.body == "free" and own_files.listed("body") == [] and body.exists()
    (own_files.data_folder() / own_files.LIST).write_text("{ damaged")
    assert own_files.listed("model") == []


@needs_inference
def test_first_frame_and_trim_are_shown(addon) -> None:
    from int_blender_addon.operators import preview

    addon.video = str(VIDEO)
    addon.use_trim, addon.start, addon.end = True, 1.0, 99.0
    preview._ask()
    deadline = time.monotonic() + 60
    while preview._tick() is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert preview.state.pictures["still_0"].image_size[1] == 240
    assert "still_1" in preview.state.pictures
    folder = Path(preview.state.folder.name)
    addon.video = ""
    assert preview.state.pictures is None and not folder.exists()


def test_a_video_of_the_scene_is_taken_with_its_cut(addon) -> None:
    scene = bpy.context.scene
    assert not bpy.ops.int_mocap.use_scene_video.poll()
    clip = bpy.data.movieclips.load(str(VIDEO))
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strip = strips.new_movie("cut", str(VIDEO), 1, 1)
    left, right = source._cut_names(strip)[:2]
    setattr(strip, left, 10)
    setattr(strip, right, 20)
    assert [name for name, *_ in source.videos_of_scene(bpy.context)] == [clip.name, strip.name]
    bpy.ops.int_mocap.use_scene_video(source="0")
    assert addon.video == str(VIDEO) and not addon.use_trim
    bpy.ops.int_mocap.use_scene_video(source="1")
    assert addon.use_trim
    assert addon.start == pytest.approx(10 / 5.0, abs=0.05) and addon.end == pytest.approx(45 / 5.0, abs=0.3)


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


def test_nothing_of_the_person_travels_in_a_file(addon, tmp_path) -> None:
    addon.video = "/home/somebody/secret project/video.mp4"
    saved = tmp_path / "scene.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(saved), compress=False)
    assert b"secret project" not in saved.read_bytes()


@needs_inference
def test_the_scene_is_left_as_it_was(addon) -> None:
    scene = bpy.context.scene

    def state() -> tuple:
        render = scene.render
        return (render.fps, render.fps_base, scene.frame_start, scene.frame_end, scene.frame_current, scene.camera)

    before, folder = state(), os.getcwd()
    addon.video, addon.quality, addon.use_trim, addon.end = str(VIDEO), "fast", True, 2.0
    bpy.ops.int_mocap.capture()
    run_timers(lambda: jobs.state.current is None, 120)
    assert state() == before and os.getcwd() == folder
