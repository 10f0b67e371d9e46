"""Numbers of retargeting and of exports: a walk on every preset's rig, and on every format read back elsewhere.

python3 tasks.py bench --exchange        (in Blender's Python; the readers are in the inference environment)
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "blender")]

import bpy  # noqa: E402
import numpy as np  # noqa: E402
from rigs import build  # noqa: E402
from test_retarget import FPS, PLAIN_PRESETS, check, specification, walk  # noqa: E402

import int_blender_addon  # noqa: E402
from int_blender_addon import cleanup, keyframes, rig  # noqa: E402
from int_blender_addon.core.body import load_free_body  # noqa: E402
from int_blender_addon.core.refine import Rest  # noqa: E402
from int_blender_addon.core.retarget import Transfer  # noqa: E402
from int_blender_addon.core.retarget.bones import load_preset  # noqa: E402
from int_blender_addon.export.formats import ENGINES, EXPORTERS, ExportSettings  # noqa: E402
from int_blender_addon.retarget import presets  # noqa: E402
from int_blender_addon.retarget.apply import retarget  # noqa: E402
from int_blender_addon.retarget.read import bones_of, sample  # noqa: E402

READ = ("fbx", "glb", "usd", "bvh", "csv")
ARMS_DOWN = {"mixamo", "smpl", "smplx", "vrm", "unity"}  # of which the rest pose is a T
CENTIMETRES = {"mixamo", "cmu", "unreal_4", "unreal_5", "metahuman", "character_creator"}


def fresh() -> bpy.types.Object:
    """An empty file with our rig and a walk of 120 frames."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    int_blender_addon.register()
    bpy.context.scene.render.fps = int(FPS)
    body = load_free_body().rest(np.zeros(10))
    motion = walk(body)
    armature = rig.build(body, "Take", bpy.context.scene.collection)
    keyframes.write_take(armature, motion, "Walk", FPS, 1.0)
    cleanup.attach(armature, motion, Rest.of(body), 1.0, 0.0)
    return armature


def retargeting() -> None:
    """A row a preset."""
    print("| rig | arms, worst degrees | legs, worst degrees | planted feet, worst mm a frame | seconds |")
    print("|---|---|---|---|---|")
    for path in PLAIN_PRESETS:
        source = fresh()
        mapping = load_preset(path)[1]
        small = path.stem in CENTIMETRES
        spec = specification(mapping, droop=0.0 if path.stem in ARMS_DOWN else 42.0, tails="up" if small else "child",
                             scale=0.01 if small else 1.0, legs=1.15, root=mapping.ground)  # fmt: skip
        target = build(spec, path.stem)
        began = time.perf_counter()
        found = presets.mapping_of(target)[1]
        done = retarget(source, presets.mapping_of(source)[1], target, found, Transfer())
        spent = time.perf_counter() - began
        n = check(source, target, found, done)
        title = load_preset(path)[0]
        print(f"| {title} | {n['arms']:.3f} | {n['legs']:.1f} | {n['slide']:.3f} | {spent:.2f} |", flush=True)
        int_blender_addon.unregister()


def exports(reader: str) -> None:
    """A row a format."""
    print("\n| format | frames | frames per second | worst joint, mm | read by |\n|---|---|---|---|---|")
    by = {"fbx": "ufbx", "glb": "pygltflib", "usd": "usd-core", "bvh": "own parser", "csv": "csv"}
    armature = fresh()
    bones = bones_of(armature)
    start, end = armature.animation_data.action.frame_range
    with tempfile.TemporaryDirectory() as folder:
        for name in READ:
            if name == "usd" and not bpy.app.build_options.usd:
                continue
            for engine in ENGINES if name == "fbx" else ("blender",):
                for rate in (None, 29.97):
                    path = Path(folder) / f"walk.{name}"
                    EXPORTERS[name](armature, path, ExportSettings(engine, rate=rate))
                    subprocess.run([reader, ROOT / "tests/exchange/read_back.py", path, "--out", folder], check=True)
                    with np.load(f"{path}.npz") as data:
                        found = dict(data)
                    count = int((end - start) / FPS * (rate or FPS) + 1e-6) + 1
                    expected = sample(armature, bones, start + np.arange(count) / (rate or FPS) * FPS).heads
                    names = [str(n) for n in found["names"]]
                    if engine == "mixamo":
                        order = [_nearest(found["joints"][0], p) for p in expected[0]]
                    else:
                        order = [names.index(n) for n in bones.names]
                    worst = 1000 * np.linalg.norm(found["joints"][:, order] - expected, axis=-1).max()
                    title = f"FBX, {ENGINES[engine].title}" if name == "fbx" else name.upper()
                    print(f"| {title} | {count} | {float(found['rate']):.2f} | {worst:.3f} | {by[name]} |", flush=True)


def _nearest(points: np.ndarray, point: np.ndarray) -> int:
    return int(np.linalg.norm(points - point, axis=-1).argmin())


if __name__ == "__main__":
    print(f"Blender {bpy.app.version_string}\n")
    retargeting()
    exports(os.environ["INT_MOCAP_INFERENCE"])
