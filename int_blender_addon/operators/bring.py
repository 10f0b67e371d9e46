"""Motion from other programs: takes and AMASS files at once, other systems' results through the inference process,
BVH through Blender's own importer."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from bpy_extras.io_utils import ImportHelper

from .. import jobs, placing
from ..asking import Question
from ..client import find_python
from ..core.body import RestBody, load_free_body
from ..core.errors import MocapError, TakeFileError
from ..core.motion import Motion, load_motion
from ..core.refine import RefineSettings, Rest, raw_extra, refine
from ..core.refine.footlock import Skeleton
from ..core.refine.ground import contacts, soles_of
from ..preferences import inference_python
from ..retarget.read import bones_of

TICK_SECONDS = 0.1
ENDINGS = "*.npz;*.npy;*.pkl;*.pk;*.pt;*.pth;*.bvh"
BVH_UNITS = (1.0, 0.01, 0.0254, 0.056444)  # metres, centimetres, inches, and what CMU's files count in
STANDING = 1.7


@dataclass
class Waiting:
    """A question to the inference process, and what is to be done with the answer."""

    question: Question
    path: Path
    folder: tempfile.TemporaryDirectory
    smooth: float


_waiting: list[Waiting] = []


def stop() -> None:
    """Forget what is under way."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    while _waiting:
        left = _waiting.pop()
        left.question.stop()
        left.folder.cleanup()


def bring_take(path: Path, smooth: float) -> bpy.types.Object:
    """A take's or an AMASS file's motion on a new rig.

    Raises:
        TakeFileError: It is neither.
    """
    motion = load_motion(path)
    body = load_free_body().rest(motion.betas if motion.body == "free" else np.zeros(10))
    if "raw_poses" not in motion.extra:
        motion = with_raw(motion, body, smooth)
    return _placed(motion, body, path, smooth)


def with_raw(motion: Motion, body: RestBody, smooth: float) -> Motion:
    """Another program's take as one of ours: contacts told, refined, the raw one kept beside."""
    rest = Rest.of(body)
    if not motion.contacts.any():
        moving = Skeleton(motion.rotations, motion.trans + body.joints[0], body.offsets)
        motion.contacts = contacts(soles_of(moving, rest.sole), motion.time)
    refined = refine(motion, rest, RefineSettings(smooth))
    refined.extra = raw_extra(motion) | motion.extra
    return refined


def _placed(motion: Motion, body: RestBody, path: Path, smooth: float) -> bpy.types.Object:
    made: list[str] = []
    for _ in placing.place(motion, body, path, path.stem, placing.Place(smooth=smooth), made):
        pass
    return bpy.data.objects[made[-1]]


def bring_bvh(path: Path) -> bpy.types.Object:
    """A BVH as an armature of a person's size, chosen as the source of retargeting.

    Raises:
        TakeFileError: Blender's importer can't read it.
    """
    before = set(bpy.data.objects)
    try:
        bpy.ops.import_anim.bvh(filepath=str(path), rotate_mode="NATIVE", use_fps_scale=True)
    except RuntimeError as error:
        raise TakeFileError(f"{path.name} could not be read: {str(error).strip().splitlines()[-1]}") from error
    made = [item for item in bpy.data.objects if item not in before and item.type == "ARMATURE"]
    if not made:
        raise TakeFileError(f"{path.name} holds no skeleton.", "Choose a BVH file.")
    armature = made[0]
    bones = bones_of(armature)
    points = np.concatenate([bones.heads, bones.tails])
    height = max(float(np.ptp(points[:, 2])), 1e-6)
    unit = min(BVH_UNITS, key=lambda u: abs(np.log(height * u / STANDING)))
    armature.scale = (unit,) * 3
    bpy.context.view_layer.update()
    bpy.context.scene.int_mocap_retarget.source = armature
    return armature


def ask(context: bpy.types.Context, path: Path, smooth: float) -> None:
    """Have the inference process turn a file into takes, in the background.

    Raises:
        InferenceMissingError: There is no inference environment.
    """
    python = find_python(preferred=inference_python(context))
    folder = tempfile.TemporaryDirectory(prefix="int_mocap_import_")
    words = ["convert", str(path), "--out", folder.name, "--smooth", str(smooth)]
    _waiting.append(Waiting(Question(python, words), path, folder, smooth))
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK_SECONDS, persistent=True)


def _tick() -> float | None:
    for item in [w for w in _waiting if w.question.over]:
        _waiting.remove(item)
        try:
            for line in item.question.answer.splitlines():
                bring_take(Path(line), item.smooth)
        except MocapError as error:
            jobs.state.last_error = error
        finally:
            item.folder.cleanup()
        for window in bpy.context.window_manager.windows:
            for area in window.screen.areas:
                area.tag_redraw()
    return TICK_SECONDS if _waiting else None


class INT_MOCAP_OT_import(bpy.types.Operator, ImportHelper):
    """Bring in motion that is there already: takes, AMASS, BVH, results of GVHMR, WHAM, TRAM, 4D-Humans and others"""

    bl_idname = "int_mocap.import_motion"
    bl_label = "Import motion"
    bl_options = {"REGISTER", "UNDO"}

    filter_glob: bpy.props.StringProperty(default=ENDINGS, options={"HIDDEN"})
    smooth: bpy.props.FloatProperty(
        name="Smooth", description="How much to smooth; 0 keeps the motion as it is", default=0.0, min=0.0, max=1.0
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Do it, or begin."""
        path = Path(bpy.path.abspath(self.filepath))
        try:
            if path.suffix.lower() == ".bvh":
                bring_bvh(path)
                self.report({"INFO"}, "Choose a rig to give it to, in Retarget.")
            elif not self._at_once(path):
                ask(context, path, self.smooth)
                self.report({"INFO"}, f"Reading {path.name}…")
        except MocapError as error:
            jobs.state.last_error = error
            self.report({"ERROR"}, f"{error.message} {error.hint}".strip())
            return {"CANCELLED"}
        return {"FINISHED"}

    def _at_once(self, path: Path) -> bool:
        """Whether it is a take or AMASS, which needs no inference process."""
        if not path.is_file():
            raise TakeFileError(f"There is no file {path}.", "Check the path.")
        if path.suffix.lower() != ".npz":
            return False
        try:
            bring_take(path, self.smooth)
        except TakeFileError:
            return False  # another system's: its own reader will say what is wrong
        return True


CLASSES = (INT_MOCAP_OT_import,)
