"""The capture that runs, and what the panel shows of it.

A timer empties the child's messages on Blender's own thread, a little at each tick; no other thread touches bpy.
Nothing of the scene is referred to while the capture runs except by name, so undo and file loads can't harm it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from . import cleanup, keyframes, placing, rig, scene_camera, text
from .client import Client, find_python
from .core.body import RestBody, load_free_body
from .core.errors import MocapError, from_message
from .core.motion import Motion, load_motion
from .core.refine import Rest
from .preferences import ROOT_PACKAGE, inference_python

TICK_SECONDS = 0.05
TICK_BUDGET = 0.015  # seconds of a tick spent on messages
PROVISIONAL = "int_mocap_provisional"
SCENE_CAMERA = "scene"  # as the `camera` of a message: to be looked at first


@dataclass
class Job:
    """One capture."""

    video: Path
    client: Client
    number: int
    name: str
    place: placing.Place = field(default_factory=placing.Place)
    stage: str = "starting"
    done: int = 0
    total: int = 0
    eta: float | None = None
    keys: int = 0
    failed: MocapError | None = None
    began: float = field(default_factory=time.monotonic)
    stretches: list[Motion] = field(default_factory=list)
    rigs: list[str] = field(default_factory=list)  # made by it
    placed: list[str] = field(default_factory=list)  # whose takes are finished
    building: Iterator[str] | None = None  # steps that are still to be done, named

    @property
    def fraction(self) -> float:
        """How far the stage is, 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 0.0


@dataclass
class State:
    """What this Blender knows of captures."""

    current: Job | None = None
    last_error: MocapError | None = None
    last_result: str = ""
    last_note: str = ""  # what a person should know of it
    last_log: list[str] = field(default_factory=list)
    count: int = 0
    client: Client | None = None  # kept warm between captures
    waiting: list[tuple[dict[str, object], placing.Place]] = field(default_factory=list)  # asked for while one runs


state = State()


def start(context: bpy.types.Context, message: dict[str, object], place: placing.Place) -> None:
    """Begin a capture; while one runs, put it behind the others.

    Args:
        context: Blender's.
        message: The fields of a `capture` message.
        place: Where the take goes.

    Raises:
        MocapError: The inference process is not to be had.
    """
    if state.current is not None:
        state.waiting.append((message, place))
        return
    state.last_error, state.last_result, state.last_note = None, "", ""
    folder = takes_folder()
    try:
        if state.client is None or not state.client.alive:
            state.client = Client(find_python(preferred=inference_python(context)), folder)
        state.count += 1
        video = Path(str(message["video"]))
        state.current = Job(video, state.client, state.count, video.stem, place)
        message = message | {"id": state.count, "out": str(_take_path(folder, video.stem))}
        state.current.building = _ask(state.current, message, context.scene)
    except MocapError as error:
        state.current, state.last_error = None, error
        _drop_client()
        raise
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK_SECONDS, persistent=True)


def cancel(keep: bool = False) -> None:
    """End the running capture and its process at once; the next one begins.

    What it put into the scene goes too, or stays as a take of its own if `keep`.
    """
    if state.current is None:
        return
    job, state.current = state.current, None
    if keep and job.stretches and job.rigs:
        _keep_stretches(job)
    else:
        _remove_rigs(job)
    _drop_client()
    _begin_next()
    _redraw()


def clear_waiting() -> None:
    """Forget the captures that wait."""
    state.waiting.clear()


def _begin_next() -> None:
    """Start the first capture that waits; one that can't start is told, and the others stay."""
    if not state.waiting or state.current is not None:
        return
    error = state.last_error
    try:
        start(bpy.context, *state.waiting.pop(0))
    except MocapError as failure:
        state.last_error = failure
    else:
        state.last_error = error  # what went wrong before stays on show


def stop() -> None:
    """End everything, and wait for it: for leaving Blender and for unregistering."""
    state.current = None
    state.waiting.clear()
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    client, state.client = state.client, None
    if client is not None:
        client.close()


def takes_folder() -> Path:
    """Where takes are kept: the extension's own user folder, or Blender's temporary one from a checkout."""
    if ROOT_PACKAGE.startswith("bl_ext."):
        return Path(bpy.utils.extension_path_user(ROOT_PACKAGE, path="takes", create=True))
    folder = Path(bpy.app.tempdir) / "int_mocap_takes"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _take_path(folder: Path, stem: str) -> Path:
    path, number = folder / f"{stem}.npz", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}_{number}.npz"
    return path


def _drop_client() -> None:
    """Close the process without making the window wait."""
    client, state.client = state.client, None
    if client is not None:
        state.last_log = list(client.log)
        threading.Thread(target=client.close, name="int_mocap close", daemon=False).start()


def _tick() -> float | None:
    """Bring in what has arrived; the timer ends when nothing runs."""
    job = state.current
    if job is None:
        return None
    deadline = time.monotonic() + TICK_BUDGET
    try:
        while time.monotonic() < deadline:
            if job.building is not None:  # a step at each tick: the window must not wait for all of them
                if next(job.building, None) is None:
                    job.building = None
                break
            message = job.client.receive()
            if message is None:
                break
            if _handle(job, message):
                state.current = None
                break
    except MocapError as error:
        state.current, state.last_error = None, error
        _remove_rigs(job)
        _drop_client()
    except Exception as error:  # a person must see it, and the timer must not die silently
        import traceback

        traceback.print_exc()
        state.current, state.last_error = None, MocapError(f"Something unforeseen happened: {error!r}.")
        _drop_client()
    if state.current is None:
        _begin_next()
    _redraw()
    return TICK_SECONDS if state.current is not None else None


def _handle(job: Job, message: dict) -> bool:
    """Act on one message; True when the job is over."""
    kind = message["type"]
    if kind != "hello" and message.get("id") != job.number:
        return False
    if kind == "progress":
        job.stage, job.done, job.total = str(message["stage"]), int(message["done"]), int(message["total"])
        eta = message.get("eta")
        job.eta = float(eta) if eta is not None else None
    elif kind == "stretch":
        _show_stretch(job, load_motion(message["path"]))
    elif kind == "result":
        job.stage, job.eta = "building", None
        if job.stretches:
            _remove_rigs(job)
        job.building = _build(job, message["path"], message["body"])
    elif kind == "error":
        job.failed = from_message(message)
    elif kind == "done":
        state.last_log = list(job.client.log)
        if job.failed is not None:
            state.last_error = job.failed
            _remove_rigs(job)
        elif job.placed:
            bpy.ops.ed.undo_push(message=f"Capture {job.name}")
        return True
    return False


def _ask(job: Job, message: dict[str, object], scene: bpy.types.Scene) -> Iterator[str]:
    """Tell inference what to do; where it takes the scene's camera, after looking at that frame by frame."""
    if message.get("camera") == SCENE_CAMERA:
        path = Path(bpy.app.tempdir) / f"int_mocap_camera_{job.number}.npz"
        yield from scene_camera.write(scene, path)
        message = message | {"camera": str(path)}
    job.client.send("capture", **message)
    yield "asked"


def _show_stretch(job: Job, motion: Motion) -> None:
    """Key what is there so far, on a rig that the result will replace."""
    if motion.body != "free":
        return  # only the server knows other bodies, and it sends them with the result
    job.stretches.append(motion)
    whole = _joined(job.stretches)
    armature = bpy.data.objects.get(job.rigs[0]) if job.rigs else None
    if armature is None:
        body = load_free_body().rest(motion.betas)
        armature = rig.build(body, job.name, bpy.context.scene.collection)
        armature[PROVISIONAL] = True
        job.rigs = [armature.name]
    elif armature.animation_data is not None and armature.animation_data.action is not None:
        bpy.data.actions.remove(armature.animation_data.action)
    rate = keyframes.scene_rate(bpy.context.scene)
    action = keyframes.write_take(armature, whole, job.name, rate, bpy.context.scene.frame_start)
    job.keys = _count_keys(action)


def _joined(stretches: list[Motion]) -> Motion:
    import numpy as np

    whole = stretches[0].select(slice(None))
    for name in ("poses", "trans", "joints", "frame_index", "time", "confidence", "bridged", "contacts"):
        setattr(whole, name, np.concatenate([getattr(part, name) for part in stretches]))
    whole.world_to_camera = np.concatenate(
        [np.broadcast_to(part.world_to_camera, (len(part), 4, 4)) for part in stretches]
    )
    return whole


def _keep_stretches(job: Job) -> None:
    """What is there of a cancelled capture becomes a take like any other."""
    armature = bpy.data.objects.get(job.rigs[0])
    if armature is None or cleanup.active_action(armature) is None:
        return
    del armature[PROVISIONAL]
    whole = _joined(job.stretches)
    rest = Rest.of(load_free_body().rest(job.stretches[0].betas))
    cleanup.attach(armature, whole, rest, bpy.context.scene.frame_start, job.place.smooth)
    armature.animation_data.action[cleanup.VIDEO_PROPERTY] = str(job.video)
    cleanup.apply(armature)
    state.last_result = f"{len(whole)} frames"
    bpy.ops.ed.undo_push(message=f"Capture {job.name}")


def _build(job: Job, take: str, body_file: str) -> Iterator[str]:
    """Bring a finished take into the scene, a step at a time."""
    context = bpy.context
    motion = load_motion(take)
    yield "take"
    body = RestBody.load(body_file)
    yield "body"
    first = not job.placed
    name = job.name if motion.person_id <= 1 and first else f"{job.name} person {motion.person_id}"
    asked = job.place if first else placing.Place(smooth=job.place.smooth)
    placed = ""
    for item in placing.place(motion, body, job.video, name, asked, job.rigs):
        placed = item.name
        yield "scene"
    job.placed.append(placed)
    armature = bpy.data.objects[placed]
    action = cleanup.active_action(armature)
    job.keys = _count_keys(action) if action is not None else 0
    for item in context.view_layer.objects:
        item.select_set(item == armature)
    context.view_layer.objects.active = armature
    state.last_result = f"{len(motion)} frames, {time.monotonic() - job.began:.1f} s"
    state.last_note = text.TRAVELLING if motion.camera == "travelling" else ""
    yield "done"


def _count_keys(action: bpy.types.Action) -> int:
    return sum(len(curve.keyframe_points) for curve in keyframes.curves_of(action))


def _remove_rigs(job: Job) -> None:
    for name in job.rigs:
        armature = bpy.data.objects.get(name)
        if armature is not None:
            rig.remove(armature)
    job.rigs, job.stretches = [], []


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()
