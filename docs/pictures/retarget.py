"""A picture of one take on several characters, side by side.

python docs/pictures/retarget.py TAKE.npz --out PICTURE.png        (in the environment of the bpy wheel)
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "blender")]

import bpy  # noqa: E402

# isort: split
import addon_utils  # noqa: E402  (bpy brings it along)
import numpy as np  # noqa: E402
from mathutils import Matrix, Vector  # noqa: E402
from rigs import RigSpec, build  # noqa: E402

import int_blender_addon  # noqa: E402
from int_blender_addon import cleanup, keyframes, placing, rig  # noqa: E402
from int_blender_addon.core.body import load_free_body  # noqa: E402
from int_blender_addon.core.motion import load_motion  # noqa: E402
from int_blender_addon.core.refine import Rest  # noqa: E402
from int_blender_addon.core.retarget import Transfer  # noqa: E402
from int_blender_addon.core.retarget.bones import load_preset  # noqa: E402
from int_blender_addon.retarget import presets  # noqa: E402
from int_blender_addon.retarget.apply import retarget  # noqa: E402

COLORS = {"Mixamo": (0.8, 0.35, 0.2, 1), "Unreal": (0.2, 0.6, 0.45, 1), "Rigify": (0.65, 0.5, 0.15, 1)}
APART = 1.5


def dressed(armature, names: list[str], color) -> None:
    """A box along each bone, that shows twists, carried by the bone."""
    material = bpy.data.materials.new(armature.name)
    material.diffuse_color = color
    scale = armature.matrix_world.to_scale().x
    for name in names:
        bone = armature.data.bones[name]
        length = max(bone.length * scale, 0.03)
        children = [c for c in bone.children if c.name in names]
        ahead = Vector((0, length, 0))
        if children:  # bones of game rigs point anywhere: the box goes to the child
            farthest = max(children, key=lambda c: (c.head_local - bone.head_local).length)
            ahead = bone.matrix_local.inverted() @ farthest.head_local * scale
        wide = 0.16 if "spine" in name.lower() or "torso" in name else 0.07
        y = ahead.normalized()
        x = y.orthogonal().normalized()
        turn = Matrix((x, y, x.cross(y))).transposed().to_4x4()
        mesh = bpy.data.meshes.new(name)
        w, d = wide / 2, wide / 3
        points = [(sx * w, sy * ahead.length, sz * d) for sy in (0, 1) for sx in (-1, 1) for sz in (-1, 1)]
        faces = [(0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5)]
        mesh.from_pydata([turn @ Vector(p) for p in points], [], faces)
        mesh.materials.append(material)
        item = bpy.data.objects.new(name, mesh)
        bpy.context.scene.collection.objects.link(item)
        item.constraints.new("COPY_TRANSFORMS").target = armature
        item.constraints[0].subtarget = name
        item.constraints.new("LIMIT_SCALE")
        for axis in "xyz":
            setattr(item.constraints[1], f"use_min_{axis}", True)
            setattr(item.constraints[1], f"use_max_{axis}", True)
            setattr(item.constraints[1], f"min_{axis}", 1.0)
            setattr(item.constraints[1], f"max_{axis}", 1.0)


def main() -> None:
    """Render it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("take", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--moments", type=int, default=4)
    own = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    options = parser.parse_args(own)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    int_blender_addon.register()
    scene = bpy.context.scene
    motion = load_motion(options.take)
    placing.set_rate(scene, motion.fps)
    body = load_free_body().rest(motion.betas)
    source = rig.build(body, "Take", scene.collection)
    keyframes.write_take(source, motion, "Take", keyframes.scene_rate(scene))
    cleanup.attach(source, motion, Rest.of(body), 1.0, 0.5)
    source_map = presets.mapping_of(source)[1]
    targets = {}
    for key, name, droop in (("mixamo", "Mixamo", 0.0), ("unreal_5", "Unreal", 45.0)):
        full = load_preset(presets.SHIPPED / f"{key}.json")[1]
        fingers = ("thumb", "index", "middle", "ring", "pinky")
        slots = {k: v for k, v in full.slots.items() if not k.endswith(fingers)}
        shown = [n for k, own in slots.items() if "twist" not in k for n in own]
        target = build(RigSpec(slots, droop=droop, tails="up", scale=0.01, legs=1.1, mesh=False), name)
        targets[name] = (target, presets.mapping_of(target)[1], shown)
    addon_utils.enable("rigify", default_set=True)
    bpy.ops.object.armature_human_metarig_add()
    meta = bpy.context.object
    bpy.ops.pose.rigify_generate()
    made = next(o for o in bpy.data.objects if o.type == "ARMATURE" and "torso" in o.data.bones)
    bpy.data.objects.remove(meta)
    deform = presets.mapping_of(made, "rigify_deform")[1]
    body_bones = [n for k, own in deform.slots.items() for n in own if not k.endswith(("thumb", "index", "middle"))]
    targets["Rigify"] = (made, presets.mapping_of(made)[1], body_bones)
    for number, (name, (target, mapping, shown)) in enumerate(targets.items(), start=1):
        dressed(target, shown, COLORS[name])
        done = retarget(source, source_map, target, mapping, Transfer())
        print(name, len(done.frames), "frames, scale", round(done.moved.scale, 3))
        target.location.x += APART * number
    _render(scene, options, len(motion), len(targets) + 1, motion)
    int_blender_addon.unregister()


def _render(scene, options, frames: int, figures: int, motion) -> None:
    middle = (motion.trans + 0).mean(axis=0)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    across = APART * (figures - 1) / 2
    target = Vector((middle[0] + across, middle[1], 0.85))
    camera.location = target + Vector((1.0, -7.6, 0.9))
    camera.rotation_euler = (target - camera.location).to_track_quat("-Z", "Y").to_euler()
    camera.data.lens = 42
    scene.camera = camera
    ground = bpy.data.meshes.new("ground")
    ground.from_pydata([(-20, -20, 0), (20, -20, 0), (20, 20, 0), (-20, 20, 0)], [], [(0, 1, 2, 3)])
    scene.collection.objects.link(bpy.data.objects.new("ground", ground))
    scene.world = bpy.data.worlds.new("World")
    scene.world.color = (0.5, 0.55, 0.6)
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.display.shading.color_type = "MATERIAL"
    scene.display.shading.show_shadows = True
    scene.render.resolution_x, scene.render.resolution_y = 1000, 330
    scene.render.film_transparent = False
    last = scene.frame_start + int(motion.time[-1] * keyframes.scene_rate(scene))
    pictures = []
    for number, frame in enumerate(np.linspace(3, last - 3, options.moments)):
        scene.frame_set(int(frame))
        path = options.out.with_name(f"{options.out.stem}_{number}.png")
        scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(str(path))
        width, height = image.size
        pixels = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(pixels)
        pictures.append(pixels.reshape(height, width, 4))
        path.unlink()
    sheet = np.concatenate(pictures[::-1], axis=0)
    out = bpy.data.images.new("sheet", sheet.shape[1], sheet.shape[0])
    out.pixels.foreach_set(sheet.ravel())
    out.filepath_raw, out.file_format = str(options.out), "PNG"
    out.save()


if __name__ == "__main__":
    main()
