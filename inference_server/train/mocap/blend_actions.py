"""Actions of .blend files as recordings. Runs in Blender's Python, apart from the rest of the server.

blender -b --python inference_server/train/mocap/blend_actions.py -- FOLDER OUT.npz
"""

import sys
from pathlib import Path

import bpy
import numpy as np

UPRIGHT = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])  # Blender's z up, facing -y, to y up, facing +z


def read_actions(path: Path) -> dict[str, np.ndarray]:
    """Bones, reference, turns, starts and fps of a file's armature through its action."""
    bpy.ops.wm.open_mainfile(filepath=str(path))
    rig = next(o for o in bpy.data.objects if o.type == "ARMATURE")
    action = rig.animation_data.action if rig.animation_data and rig.animation_data.action else bpy.data.actions[0]
    rig.animation_data_create()
    rig.animation_data.action = action
    if hasattr(action, "slots") and action.slots:
        rig.animation_data.action_slot = action.slots[0]
    scene = bpy.context.scene
    first, last = (round(v) for v in action.frame_range)
    bones = [b.name for b in rig.data.bones]
    rest = np.array([np.array(rig.matrix_world @ rig.data.bones[n].matrix_local) for n in bones])
    poses = []
    for frame in range(first, last + 1):
        scene.frame_set(frame)
        poses.append([np.array(rig.matrix_world @ rig.pose.bones[n].matrix) for n in bones])
    posed = np.array(poses)
    scale = np.linalg.norm(rest[:, :3, 0], axis=1)[:, None, None]
    turns = (posed[:, :, :3, :3] / np.linalg.norm(posed[:, :, :3, :3], axis=-2, keepdims=True)) @ (
        rest[:, :3, :3] / scale
    ).swapaxes(-1, -2)
    return {
        "names": np.array(bones),
        "reference": rest[:, :3, 3] @ UPRIGHT.T,
        "turns": UPRIGHT @ turns @ UPRIGHT.T,
        "starts": posed[:, :, :3, 3] @ UPRIGHT.T,
        "fps": np.array(scene.render.fps / scene.render.fps_base),
    }


def main(folder: str, out: str) -> None:
    """Write every file's arrays, prefixed by the file's name."""
    arrays = {}
    for path in sorted(Path(folder).rglob("animation-*.blend")):
        try:
            for key, value in read_actions(path).items():
                arrays[f"{path.stem}/{key}"] = value
        except (RuntimeError, StopIteration, IndexError) as error:
            print(f"left out {path.name}: {error}", file=sys.stderr)
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[sys.argv.index("--") + 1 :])
