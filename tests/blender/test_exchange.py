"""Every format, read back by another program than the one that wrote it, joint by joint and frame by frame."""

import json
import os
import subprocess
from pathlib import Path

import bpy
import numpy as np
import pytest
from rigs import RigSpec, build

import int_blender_addon
from int_blender_addon import cleanup, keyframes, placing, rig
from int_blender_addon.core.motion import load_motion
from int_blender_addon.core.refine import Rest
from int_blender_addon.core.retarget import Transfer
from int_blender_addon.core.skeleton import JOINT_NAMES
from int_blender_addon.export.formats import ENGINES, EXPORTERS, ExportSettings
from int_blender_addon.export.take import read_take
from int_blender_addon.retarget import presets
from int_blender_addon.retarget.apply import retarget
from int_blender_addon.retarget.read import bones_of, sample

READER = Path(__file__).parents[1] / "exchange" / "read_back.py"
INFERENCE = os.environ.get("INT_MOCAP_INFERENCE", "")
needs_readers = pytest.mark.skipif(not INFERENCE, reason="the readers are in the inference environment")
FRAMES, RATE = 24, 29.97


@pytest.fixture
def registered(empty_scene):
    int_blender_addon.register()
    yield
    int_blender_addon.unregister()


@pytest.fixture
def take(registered, rest_body, make_motion):
    scene = bpy.context.scene
    placing.set_rate(scene, RATE)
    motion = make_motion(FRAMES, RATE)
    armature = rig.build(rest_body, "Take", scene.collection)
    keyframes.write_take(armature, motion, "Take", keyframes.scene_rate(scene), first_frame=5.0)
    cleanup.attach(armature, motion, Rest.of(rest_body), 5.0, 0.0)
    return armature, motion


def read_back(path: Path) -> dict[str, np.ndarray]:
    command = [INFERENCE, READER, path, "--out", path.parent]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    with np.load(f"{path}.npz") as data:
        return dict(data)


def skip_if_not_built(name: str) -> None:
    if name == "usd" and not bpy.app.build_options.usd:
        pytest.skip("this Blender is built without USD")


def in_order(found: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
    """(T, J, 3) joints by name; exporters put _ for what their format can't say."""
    own = {str(name): k for k, name in enumerate(found["names"])}
    plain = {"".join(c if c.isalnum() else "_" for c in name): k for name, k in own.items()}
    picked = [own.get(n, plain.get("".join(c if c.isalnum() else "_" for c in n), -1)) for n in names]
    assert -1 not in picked, set(names) - set(own)
    return found["joints"][:, picked]


@needs_readers
@pytest.mark.parametrize("name", ["fbx", "glb", "usd", "bvh", "csv"])
def test_another_program_reads_every_joint_of_every_frame(take, rest_body, tmp_path, name: str) -> None:
    skip_if_not_built(name)
    armature, motion = take
    path = tmp_path / f"tä ke.{name}"
    EXPORTERS[name](armature, path, None)
    found = read_back(path)
    expected = rest_body.pose_joints(motion.rotations, motion.trans)
    assert len(found["times"]) == FRAMES
    np.testing.assert_allclose(in_order(found, list(JOINT_NAMES)), expected, atol=1e-3)
    assert float(found["rate"]) == pytest.approx(RATE, rel=1e-4)
    np.testing.assert_allclose(found["times"] - found["times"][0], np.arange(FRAMES) / RATE, atol=1e-4)


@needs_readers
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("mesh", [True, False])
@pytest.mark.parametrize("root_motion", [True, False])
def test_fbx_of_each_engine(take, rest_body, tmp_path, engine: str, mesh: bool, root_motion: bool) -> None:
    armature, motion = take
    path = tmp_path / "take.fbx"
    EXPORTERS["fbx"](armature, path, ExportSettings(engine, mesh, None, root_motion))
    found = read_back(path)
    names = list(JOINT_NAMES)
    if engine == "mixamo":
        own, wanted = (presets.mapping_of(armature)[1], presets.mapping_of_preset("mixamo"))
        known = {a: b for s, n in own.slots.items() for a, b in zip(n, wanted.slots.get(s, []), strict=False)}
        assert known["left_elbow"] == "mixamorig:LeftForeArm"
        names = [known.get(name, name) for name in names]
    np.testing.assert_allclose(in_order(found, names), rest_body.pose_joints(motion.rotations, motion.trans), atol=1e-3)
    assert bool(found["meshes"]) == mesh
    if engine != "blender":
        assert float(found["unit"]) == pytest.approx(0.01)  # centimetres
        assert float(found["root scale"]) == pytest.approx(1.0, abs=1e-5)
        assert float(found["root turn"]) == pytest.approx(0.0, abs=0.05)
        assert float(found["begin"]) == 0.0


@needs_readers
@pytest.mark.parametrize("name", ["fbx", "glb", "usd", "bvh", "csv"])
@pytest.mark.parametrize("rate", [12.0, 60.0])
def test_any_frame_rate(take, rest_body, tmp_path, name: str, rate: float) -> None:
    skip_if_not_built(name)
    armature, _ = take
    path = tmp_path / f"take.{name}"
    EXPORTERS[name](armature, path, ExportSettings(rate=rate))
    found = read_back(path)
    count = int((FRAMES - 1) / RATE * rate + 1e-6) + 1
    assert len(found["times"]) == count
    assert float(found["rate"]) == pytest.approx(rate, rel=1e-4)
    bones = bones_of(armature)
    expected = sample(armature, bones, 5 + np.arange(count) / rate * RATE).heads
    np.testing.assert_allclose(in_order(found, bones.names), expected, atol=1e-3)


@needs_readers
@pytest.mark.parametrize("name", ["fbx", "glb", "usd", "bvh"])
@pytest.mark.parametrize("key", ["mixamo", "unreal_5"])
def test_a_scaled_character_of_another_program(take, tmp_path, name: str, key: str) -> None:
    """Its object is scaled by 0.01 and turned: the file has the joints where they are seen."""
    skip_if_not_built(name)
    armature, _ = take
    slots = presets.mapping_of_preset(key).slots
    hero = build(RigSpec(slots, tails="up", scale=0.01, turned=90.0), "Hero")
    done = retarget(armature, presets.mapping_of(armature)[1], hero, presets.mapping_of(hero)[1], Transfer())
    bones = bones_of(hero)
    expected = sample(hero, bones, done.frames).heads
    path = tmp_path / f"hero.{name}"
    EXPORTERS[name](hero, path, ExportSettings("unity"))
    found = read_back(path)
    np.testing.assert_allclose(in_order(found, bones.names), expected, atol=1e-3)


@needs_readers
def test_a_control_rig_leaves_as_the_bones_that_deform(take, tmp_path) -> None:
    import addon_utils

    addon_utils.enable("rigify", default_set=True)
    armature, _ = take
    bpy.ops.object.armature_basic_human_metarig_add()
    try:
        bpy.ops.pose.rigify_generate()
    except RuntimeError as error:
        pytest.skip(f"Rigify can't build its rig here: {error}")
    made = next(o for o in bpy.data.objects if o.type == "ARMATURE" and "torso" in o.data.bones)
    done = retarget(armature, presets.mapping_of(armature)[1], made, presets.mapping_of(made)[1], Transfer())
    path = tmp_path / "hero.fbx"
    EXPORTERS["fbx"](made, path, ExportSettings("unreal"))
    found = read_back(path)
    names = [str(name) for name in found["names"]]
    assert names and all(name.startswith("DEF-") for name in names if name != "root")
    bones = bones_of(made)
    heads = sample(made, bones, done.frames).heads
    own = [n for n in names if n in bones.index]
    expected = heads[:, [bones.index[n] for n in own]]
    np.testing.assert_allclose(in_order(found, own), expected, atol=1e-3)


def test_alembic_holds_the_mesh_as_it_deforms(take, rest_body, tmp_path) -> None:
    """No reader but Blender's own is at hand for Alembic."""
    if not bpy.app.build_options.alembic:
        pytest.skip("this Blender is built without Alembic")
    armature, motion = take
    EXPORTERS["abc"](armature, tmp_path / "take.abc", None)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    placing.set_rate(bpy.context.scene, RATE)
    bpy.ops.wm.alembic_import(filepath=str(tmp_path / "take.abc"), as_background_job=False)
    item = next(i for i in bpy.data.objects if i.type == "MESH")
    for frame in (0, 11, FRAMES - 1):
        bpy.context.scene.frame_set(frame)
        seen = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
        points = np.empty(3 * len(seen.data.vertices), np.float32)
        seen.data.vertices.foreach_get("co", points)
        world = np.array(seen.matrix_world)
        points = points.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]
        np.testing.assert_allclose(points, rest_body.skin(motion.rotations[frame], motion.trans[frame]), atol=1e-3)


def test_a_rig_becomes_the_take_that_it_came_from(take, rest_body, tmp_path) -> None:
    armature, motion = take
    EXPORTERS["npz"](armature, tmp_path / "take.npz", None)
    back = load_motion(tmp_path / "take.npz")
    expected = rest_body.pose_joints(motion.rotations, motion.trans)
    np.testing.assert_allclose(rest_body.pose_joints(back.rotations, back.trans), expected, atol=1e-4)
    np.testing.assert_allclose(back.betas, motion.betas, atol=1e-6)
    np.testing.assert_allclose(back.time, motion.time, atol=1e-4)
    assert back.fps == pytest.approx(RATE)


def test_an_edit_is_in_the_take(take) -> None:
    armature, _ = take
    before = read_take(armature)
    curve = next(c for c in keyframes.own_curves(armature) if c.data_path == keyframes.LOCATION_PATH)
    curve.keyframe_points[7].co[1] += 1.0
    after = read_take(armature)
    assert np.linalg.norm(after.trans[7] - before.trans[7]) == pytest.approx(1.0, abs=1e-4)


def test_any_character_becomes_a_take(take, rest_body) -> None:
    armature, _ = take
    hero = build(RigSpec(presets.mapping_of_preset("mixamo").slots), "Hero")
    retarget(armature, presets.mapping_of(armature)[1], hero, presets.mapping_of(hero)[1], Transfer())
    before = {o.name for o in bpy.data.objects}, len(bpy.data.armatures), len(bpy.data.actions)
    found = read_take(hero)
    assert ({o.name for o in bpy.data.objects}, len(bpy.data.armatures), len(bpy.data.actions)) == before
    ours = read_take(armature)
    limbs = [JOINT_NAMES.index(n) for n in ("left_elbow", "right_elbow", "left_knee", "right_knee")]
    cosines = np.einsum("tjab,tjab->tj", found.rotations[:, limbs], ours.rotations[:, limbs])
    assert np.degrees(np.arccos(np.clip((cosines - 1) / 2, -1, 1))).mean() < 15


@pytest.mark.parametrize("name", [n for n in EXPORTERS if n not in {"blend", "usd", "abc"}])
def test_nothing_is_left_behind(take, tmp_path, name: str) -> None:
    armature, _ = take
    scene = bpy.context.scene
    scene.frame_set(9)
    count = {k: len(getattr(bpy.data, k)) for k in ("objects", "armatures", "meshes", "actions", "materials")}
    names = {o.name for o in bpy.data.objects} | {a.name for a in bpy.data.actions}
    action = armature.animation_data.action
    EXPORTERS[name](armature, tmp_path / f"take.{name}", ExportSettings("unreal", rate=50.0))
    assert {k: len(getattr(bpy.data, k)) for k in count} == count
    assert {o.name for o in bpy.data.objects} | {a.name for a in bpy.data.actions} == names
    assert armature.animation_data.action == action
    assert scene.frame_current == 9 and scene.unit_settings.scale_length == 1.0
    assert keyframes.scene_rate(scene) == pytest.approx(RATE, rel=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == [f"take.{name}"]


def test_the_animation_of_a_glb_has_the_takes_name(take, tmp_path) -> None:
    armature, _ = take
    EXPORTERS["glb"](armature, tmp_path / "take.glb", None)
    data = (tmp_path / "take.glb").read_bytes()
    length = int.from_bytes(data[12:16], "little")
    assert int.from_bytes(data[8:12], "little") == len(data)
    assert [a["name"] for a in json.loads(data[20 : 20 + length])["animations"]] == ["Take"]
