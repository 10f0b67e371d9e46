"""Retargeting: every preset on a rig with that naming, awkward rigs, control rigs, feet that stay where they stand."""

import time
from dataclasses import replace
from pathlib import Path

import addon_utils
import bpy
import numpy as np
import pytest
from rigs import RigSpec, build

import int_blender_addon
from int_blender_addon import cleanup, keyframes, rig
from int_blender_addon.core.body import rest_offsets
from int_blender_addon.core.errors import PresetError, RetargetError
from int_blender_addon.core.refine import Rest
from int_blender_addon.core.refine.footlock import Skeleton
from int_blender_addon.core.retarget import Mapping, Transfer, guess
from int_blender_addon.core.retarget.bones import SIDES, load_preset, save_preset
from int_blender_addon.core.retarget.feet import reach
from int_blender_addon.core.retarget.names import meanings, side
from int_blender_addon.core.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from int_blender_addon.core.skeleton import JOINT_INDEX
from int_blender_addon.retarget import presets
from int_blender_addon.retarget.apply import retarget
from int_blender_addon.retarget.read import bones_of, sample

FPS = 30.0
CONTROL_PRESETS = {"rigify_ik_legs", "rigify_fk", "rigify_ik", "auto_rig_pro"}  # tested on the rigs themselves
PLAIN_PRESETS = sorted(set(presets.SHIPPED.glob("*.json")) - {presets.SHIPPED / f"{k}.json" for k in CONTROL_PRESETS})
LIMBS = [(a, b) for a, b in (("upper_arm", "forearm"), ("forearm", "hand"), ("thigh", "shin"), ("shin", "foot"))]


def walk(body, frames: int = 120):
    """A take that walks and waves: footprints that are true, knees and arms bent, hips that turn, heels that rise."""
    from conftest import random_motion

    motion = random_motion(frames, FPS, spread=0.0)
    t = np.arange(frames) / FPS
    step = 2 * np.pi * t / 1.2
    vectors = np.zeros((frames, 24, 3))
    for name, sign in (("left", -1), ("right", 1)):
        vectors[:, JOINT_INDEX[f"{name}_elbow"], 1] = sign * (0.7 + 0.4 * np.sin(step))
        vectors[:, JOINT_INDEX[f"{name}_shoulder"], 2] = sign * (0.9 + 0.3 * np.sin(step / 2))
        vectors[:, JOINT_INDEX[f"{name}_wrist"], 0] = 0.5 * np.sin(step)
        vectors[:, JOINT_INDEX[f"{name}_knee"], 0] = 0.3
        vectors[:, JOINT_INDEX[f"{name}_hip"], 0] = -0.15
    vectors[:, JOINT_INDEX["spine2"], 1] = 0.2 * np.sin(step)
    rotations = axis_angle_to_matrix(vectors)
    upright = axis_angle_to_matrix(np.array([np.pi / 2, 0, 0]))
    rotations[:, 0] = axis_angle_to_matrix(np.outer(0.2 * np.sin(step), [0, 0, 1])) @ upright
    pelvis = np.stack([0.02 * np.sin(step), -0.7 * t, 0.84 + 0.02 * np.cos(2 * step)], axis=-1)
    offsets = rest_offsets(body.joints)
    sole = Rest.of(body).sole
    moving = Skeleton(rotations, pelvis, offsets)
    turns, joints = moving.placed()
    contacts = np.zeros((frames, 4))
    for foot, name in enumerate(("left", "right")):
        hip, knee, ankle = (JOINT_INDEX[f"{name}_{part}"] for part in ("hip", "knee", "ankle"))
        phase = t / 1.2 + 0.5 * foot
        cycle, share = np.floor(phase), phase % 1
        swing = np.clip((share - 0.6) / 0.4, 0, 1)
        eased = swing * swing * (3 - 2 * swing)
        rise = np.radians(35) * np.clip((share - 0.45) / 0.15, 0, 1) * (1 - eased)  # the heel goes up about the ball
        flat = upright @ axis_angle_to_matrix(rise[:, None] * [1.0, 0, 0])
        ball = np.stack(
            [
                np.full(frames, (0.1, -0.1)[foot]),
                -0.7 * 1.2 * (cycle + eased - 0.5 * foot) - 0.25,
                0.1 * np.sin(np.pi * swing),
            ],
            axis=-1,
        )
        goal = ball - (flat @ sole[foot, 1])
        first, second = reach(joints[:, hip], joints[:, knee], joints[:, ankle], goal)
        globals_ = [first @ turns[:, hip], second @ turns[:, knee]]
        rotations[:, hip] = turns[:, 0].swapaxes(-1, -2) @ globals_[0]
        rotations[:, knee] = globals_[0].swapaxes(-1, -2) @ globals_[1]
        rotations[:, ankle] = globals_[1].swapaxes(-1, -2) @ flat
        contacts[:, 2 * foot] = (share < 0.45) & (share > 0)
        contacts[:, 2 * foot + 1] = (share < 0.6) & (share > 0)
    motion.poses = matrix_to_axis_angle(rotations).reshape(frames, 72)
    motion.trans = pelvis - body.joints[0]
    motion.contacts = contacts
    return motion


@pytest.fixture
def source(empty_scene, body_model):
    """Our rig with a take."""
    int_blender_addon.register()
    bpy.context.scene.render.fps = int(FPS)
    body = body_model.rest(np.zeros(10))
    motion = walk(body)
    armature = rig.build(body, "Take", bpy.context.scene.collection)
    keyframes.write_take(armature, motion, "Walk", FPS, 1.0)
    cleanup.attach(armature, motion, Rest.of(body), 1.0, 0.0)
    yield armature
    int_blender_addon.unregister()


def evaluated(armature, frames, names) -> np.ndarray:
    """(T, n, 3) heads in the world, as Blender itself has them."""
    found = np.empty((len(frames), len(names), 3))
    for t, frame in enumerate(frames):
        bpy.context.scene.frame_set(int(frame))
        for k, name in enumerate(names):
            found[t, k] = armature.matrix_world @ armature.pose.bones[name].head
    return found


def soles(armature, mapping: Mapping, which: str, frames) -> list[np.ndarray]:
    """Heel and ball (T, 3) of a foot in the world: points of the floor under ankle and toes at rest, on the foot."""
    world = np.array(armature.matrix_world)
    name = mapping.first(f"{which}_foot")
    foot, toe = armature.data.bones[name], mapping.first(f"{which}_toe")
    rest = world @ np.array(foot.matrix_local)
    front = np.array(armature.data.bones[toe].head_local if toe else foot.tail_local)
    floor = bones_of(armature).floor
    points = []
    for local in (np.array(foot.head_local), front):
        point = world @ [*local, 1.0]
        point[2] = floor
        points.append(np.linalg.inv(rest) @ point)
    found = np.empty((2, len(frames), 3))
    for t, frame in enumerate(frames):
        bpy.context.scene.frame_set(int(frame))
        now = np.array(armature.matrix_world) @ np.array(armature.pose.bones[name].matrix)
        for k, point in enumerate(points):
            found[k, t] = (now @ point)[:3]
    return list(found)


def check(source, target, mapping: Mapping, done, spec: RigSpec | None = None) -> dict[str, float]:
    """Numbers of a transfer by what Blender shows: degrees of the limbs' directions, mm a frame of planted feet."""
    source_map = presets.mapping_of(source)[1]
    frames = done.frames
    slots = [s for s in source_map.slots if s in mapping.slots]
    ours = evaluated(source, frames, [source_map.first(s) for s in slots])
    theirs = evaluated(target, frames, [mapping.first(s) for s in slots])
    degrees = {}
    for which in SIDES:
        for a, b in LIMBS:
            i, j = slots.index(f"{which}_{a}"), slots.index(f"{which}_{b}")
            u, v = ours[:, j] - ours[:, i], theirs[:, j] - theirs[:, i]
            cosine = (u * v).sum(-1) / np.linalg.norm(u, axis=-1) / np.linalg.norm(v, axis=-1)
            degrees[f"{which}_{a}"] = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).max())
    slides = []
    for k, which in enumerate(SIDES):
        for point, column in zip(soles(target, mapping, which, frames), (0, 1), strict=True):
            stands = done.moved.contacts[:, 2 * k + column]
            if column == 0:  # a heel rolls on while the ball takes over
                stands = stands & done.moved.contacts[:, 2 * k + 1]
            steps = np.linalg.norm(np.diff(point, axis=0)[:, :2], axis=-1)
            assert stands.sum() > 15
            slides.append(1000 * steps[stands[1:] & stands[:-1]].max())
    arms = max(v for k, v in degrees.items() if "arm" in k)
    legs = max(v for k, v in degrees.items() if "arm" not in k)
    return {"arms": arms, "legs": legs, "slide": max(slides)}


def specification(mapping: Mapping, **changes) -> RigSpec:
    return RigSpec(
        names={k: v for k, v in mapping.slots.items() if not k.endswith(("thumb", "index", "middle", "ring", "pinky"))},
        **changes,
    )


@pytest.mark.parametrize("path", PLAIN_PRESETS, ids=lambda p: p.stem)
def test_every_preset_on_its_rig(source, path: Path) -> None:
    mapping = load_preset(path)[1]
    droop = {"mixamo": 0.0, "smpl": 0.0, "smplx": 0.0, "vrm": 0.0, "unity": 0.0}.get(path.stem, 42.0)
    fbx = path.stem in {"mixamo", "cmu", "unreal_4", "unreal_5", "metahuman", "character_creator"}
    spec = specification(mapping, droop=droop, tails="up" if fbx else "child", scale=0.01 if fbx else 1.0, legs=1.15,
                         root=mapping.ground)  # fmt: skip
    target = build(spec, path.stem)
    key, found = presets.mapping_of(target)
    assert key != presets.AUTOMATIC
    for slot, own in spec.names.items():
        assert found.slots.get(slot, own) == own, f"{key} says otherwise"
    done = retarget(source, presets.mapping_of(source)[1], target, found, Transfer())
    numbers = check(source, target, found, done)
    print(path.stem, {k: round(v, 3) for k, v in numbers.items()})
    assert numbers["arms"] < 0.5, "arms point where the source's do"
    assert numbers["slide"] < 2.0, "mm a frame of a planted foot"
    assert numbers["legs"] < 12.0, "legs differ by what the feet ask for only"


PLAIN = {
    "hips": ["Hips"], "spine": ["Spine", "Chest"], "neck": ["Neck"], "head": ["Head"],
    **{f"{s}_{p}": [f"{n}.{s[0].upper()}"] for s in SIDES for p, n in (
        ("clavicle", "Shoulder"), ("upper_arm", "UpperArm"), ("forearm", "Forearm"), ("hand", "Hand"),
        ("thigh", "Thigh"), ("shin", "Shin"), ("foot", "Foot"), ("toe", "Toe"))},
}  # fmt: skip


def renamed(change) -> dict[str, list[str]]:
    return {slot: [change(slot, name) for name in own] for slot, own in PLAIN.items()}


def without(*slots: str) -> dict[str, list[str]]:
    return {slot: own for slot, own in PLAIN.items() if not slot.endswith(slots)}


WORDS = (
    "Hips",
    "Spine",
    "Chest",
    "Neck",
    "Head",
    "Shoulder",
    "UpperArm",
    "Forearm",
    "Hand",
    "Thigh",
    "Shin",
    "Foot",
    "Toe",
)
IN_GERMAN = (
    "Becken Wirbelsäule Brust Hals Kopf Schlüsselbein Oberarm Unterarm Hand Oberschenkel Unterschenkel Fuß Zehen"
)
GERMAN = dict(zip(WORDS, IN_GERMAN.split(), strict=True))
JAPANESE_WORDS = "センター 上半身 上半身2 首 頭 肩 腕 ひじ 手首 足 ひざ 足首 つま先"
JAPANESE = dict(zip(WORDS, JAPANESE_WORDS.split(), strict=True))


def translated(table: dict[str, str], left: str, right: str, before: bool = False) -> dict[str, list[str]]:
    def change(slot: str, name: str) -> str:
        stem, _, end = name.partition(".")
        word = table[stem]
        mark = {"L": left, "R": right}.get(end, "")
        return f"{mark}{word}" if before else f"{word}{mark}"

    return renamed(change)


def counted() -> dict[str, list[str]]:
    numbers = iter(range(100))
    return renamed(lambda slot, name: f"Bone.{next(numbers):03d}")


SMPL_LIKE = {"clavicle": "collar", "upper_arm": "shoulder", "forearm": "elbow", "hand": "wrist", "thigh": "hip",
             "shin": "knee", "foot": "ankle", "toe": "foot"}  # fmt: skip
HELPERS = [
    ("IK_Foot.L", "Root", (0.1, 0, 0.05)),
    ("IK_Foot.R", "Root", (-0.1, 0, 0.05)),
    ("Pole.L", "Root", (0.1, -1, 0.5)),
    ("Eye.L", "Head", (0.03, -0.1, 1.65)),
    ("Hair", "Head", (0, 0.1, 1.7)),
    ("Sword", "Hand.R", (-1.3, 0, 1.4)),
    ("Skirt.L", "Hips", (0.2, 0, 0.8)),
]
AWKWARD = {
    "a_pose": RigSpec(PLAIN, droop=50),
    "t_pose_low_arms": RigSpec(PLAIN, droop=75),
    "rolls": RigSpec(PLAIN, roll=37),
    "fbx_axes": RigSpec(PLAIN, tails="up"),
    "centimetres": RigSpec(PLAIN, scale=0.01),
    "facing_sideways": RigSpec(PLAIN, turned=90),
    "facing_backwards": RigSpec(PLAIN, turned=180),
    "y_up": RigSpec(PLAIN, y_up=True, scale=0.01),
    "no_neck": RigSpec(without("neck")),
    "no_collars": RigSpec(without("clavicle")),
    "no_toes": RigSpec(without("toe")),
    "one_spine": RigSpec(PLAIN | {"spine": ["Torso"]}),
    "four_spines": RigSpec(PLAIN | {"spine": ["Spine", "Spine1", "Spine2", "Spine3"]}),
    "two_necks": RigSpec(PLAIN | {"neck": ["Neck", "Neck1"]}),
    "twists": RigSpec(PLAIN | {f"{s}_forearm_twist": [f"ForearmTwist.{s[0].upper()}"] for s in SIDES}),
    "german": RigSpec(translated(GERMAN, ".links", ".rechts")),
    "japanese": RigSpec(translated(JAPANESE, "左", "右", before=True)),
    "no_names_at_all": RigSpec(counted(), droop=30),
    "joint_names": RigSpec(renamed(lambda slot, name: f"{slot.split('_')[0]}_{SMPL_LIKE[slot.split('_', 1)[1]]}"
                                   if slot.startswith(SIDES) else name), roll=15),
    "mirrored_names": RigSpec(renamed(lambda slot, name: f"{name[:-2]}.{'R' if name.endswith('L') else 'L'}"
                                      if slot.startswith(SIDES) else name)),
    "long_legs_short_arms": RigSpec(PLAIN, legs=1.5, arms=0.7, droop=20, root="Root"),
    "helpers": RigSpec(PLAIN, root="Root", extra=HELPERS),
}  # fmt: skip


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_rigs_map_right_or_say_so(source, name: str) -> None:
    spec = AWKWARD[name]
    target = build(spec, name)
    found = guess(bones_of(target))
    unsure = set(found.unsure())
    for slot, own in spec.names.items():
        assert found.slots.get(slot) == own or slot in unsure, f"{slot}: {found.slots.get(slot)}"
    if name == "mirrored_names":
        assert "left_thigh" in unsure
    else:
        assert not found.missing()
    for slot in set(found.slots) - set(spec.names):
        assert slot in unsure or slot.endswith("twist") or not found.slots[slot], f"{slot} was made up"
    done = retarget(source, presets.mapping_of(source)[1], target, found, Transfer())
    numbers = check(source, target, found, done)
    print(name, {k: round(v, 3) for k, v in numbers.items()})
    assert numbers["slide"] < 2.0 and numbers["arms"] < 0.5


def test_twist_is_spread_and_the_rest_of_the_file_is_left_alone(source) -> None:
    spec = replace(AWKWARD["twists"], scale=0.01)
    target = build(spec, "twists")
    other = build(RigSpec(PLAIN), "other")
    mapping = guess(bones_of(target))
    retarget(source, presets.mapping_of(source)[1], target, mapping, Transfer())
    frames = np.arange(1, 120, 7, dtype=float)
    bones = bones_of(target)
    moving = sample(target, bones, frames)
    fore, twist, hand = (bones.index[n] for n in ("Forearm.L", "ForearmTwist.L", "Hand.L"))
    turned = [moving.turns[:, b] @ bones.turns[b].T for b in (fore, twist, hand)]
    axis = bones.heads[hand] - bones.heads[fore]
    axis /= np.linalg.norm(axis)
    share = [matrix_to_axis_angle(turned[0].swapaxes(-1, -2) @ t) @ axis for t in turned[1:]]
    np.testing.assert_allclose(share[0], 0.5 * share[1], atol=0.12)
    assert other.animation_data is None or other.animation_data.action is None


def test_ten_thousand_frames_of_sixty_bones(source) -> None:
    action = source.animation_data.action
    for curve in keyframes.curves_of(action):
        if curve.data_path.startswith("pose"):
            values = np.resize([p.co[1] for p in curve.keyframe_points], 10_000)
            curve.keyframe_points.clear()
            keyframes.fill(curve, np.arange(1, 10_001, dtype=float), values)
    names = load_preset(presets.SHIPPED / "unreal_5.json")[1]
    target = build(specification(names, root="root"), "UE")
    began = time.monotonic()
    done = retarget(
        source, presets.mapping_of(source)[1], target, names.restricted(set(target.data.bones.keys())), Transfer()
    )
    print(f"{len(done.frames)} frames, {len(target.data.bones)} bones: {time.monotonic() - began:.1f} s")
    assert len(done.frames) == 10_000


@pytest.fixture
def rigify(source):
    """A human rig as Rigify makes it."""
    if addon_utils.enable("rigify", default_set=True) is None:
        pytest.skip("this Blender has no Rigify")
    bpy.ops.object.armature_human_metarig_add()
    meta = bpy.context.object
    bpy.ops.pose.rigify_generate()
    made = next(
        o for o in bpy.data.objects if o.type == "ARMATURE" and o not in (meta, source) and "torso" in o.data.bones
    )
    yield made
    addon_utils.disable("rigify", default_set=True)


@pytest.mark.parametrize("key", ["rigify_ik_legs", "rigify_fk", "rigify_ik"])
def test_rigify_gets_keys_on_its_controls(source, rigify, key: str) -> None:
    assert presets.mapping_of(rigify)[0] == "rigify_ik_legs", "of the three it is the one that animators have"
    mapping = presets.mapping_of(rigify, key)[1]
    frames = np.arange(1, 61, dtype=float)
    done = retarget(source, presets.mapping_of(source)[1], rigify, mapping, Transfer(), frames=frames)
    deform = presets.mapping_of(rigify, "rigify_deform")[1]
    numbers = check(source, rigify, deform, done)
    print(key, {k: round(v, 2) for k, v in numbers.items()})
    assert numbers["arms"] < 3.0 and numbers["slide"] < 2.0 and numbers["legs"] < 15.0
    keyed = {c.data_path for c in keyframes.curves_of(done.action)}
    assert any("torso" in path for path in keyed)
    assert any("foot_ik.L" in path for path in keyed) == (key != "rigify_fk")


def test_from_any_action_to_any_rig(source) -> None:
    """What was retargeted to one rig goes on to another, and back: directions stay."""
    first = build(replace(AWKWARD["a_pose"], roll=20), "first")
    second = build(AWKWARD["facing_sideways"], "second")
    maps = [presets.mapping_of(source)[1], guess(bones_of(first)), guess(bones_of(second))]
    retarget(source, maps[0], first, maps[1], Transfer())
    done = retarget(first, maps[1], second, maps[2], Transfer())
    numbers = check(source, second, maps[2], done)
    assert numbers["arms"] < 0.5 and numbers["slide"] < 2.0, "contacts are seen where nobody tells them"


def test_presets_are_read_and_never_run(tmp_path: Path) -> None:
    mapping = load_preset(presets.SHIPPED / "unreal_4.json")[1]
    mapping.rest = {"upperarm_l": [1.0, 0.0, 0.0, 0.0]}
    save_preset(tmp_path / "a é.json", mapping, "Mine")
    title, again = load_preset(tmp_path / "a é.json")
    assert title == "Mine" and again.slots == mapping.slots and again.rest == mapping.rest
    for text in ("", "{}", "[]", '{"version": 99, "slots": {}}', '{"version": 1, "slots": {"hips": 3}}',
                 '{"version": 1, "slots": {"tail": ["x"]}}', "import os"):  # fmt: skip
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(PresetError):
            load_preset(tmp_path / "bad.json")


def test_missing_bones_are_named(source) -> None:
    target = build(RigSpec(PLAIN), "whole")
    mapping = guess(bones_of(target))
    del mapping.slots["left_shin"]
    with pytest.raises(RetargetError, match="left shin"):
        retarget(source, presets.mapping_of(source)[1], target, mapping, Transfer())
    with pytest.raises(RetargetError, match="same rig"):
        retarget(source, mapping, source, mapping, Transfer())


@pytest.mark.parametrize(
    ("name", "part", "where"),
    [
        ("mixamorig:LeftUpLeg", "thigh", "left"), ("lThighBend", "thigh", "left"), ("CC_Base_R_Calf", "shin", "right"),
        ("DEF-upper_arm.R", "upper_arm", "right"), ("clavicle_l", "clavicle", "left"), ("右ひざ", "shin", "right"),
        ("J_Bip_L_LowerArm", "forearm", "left"), ("Bip01 R Forearm", "forearm", "right"),
        ("Oberschenkel.L", "thigh", "left"),
        ("brazo_izq", "upper_arm", "left"), ("Cuisse_gauche", "thigh", "left"), ("Right ankle", "foot", "right"),
    ],
)  # fmt: skip
def test_names(name: str, part: str, where: str) -> None:
    assert part in meanings(name) and side(name) == where


@pytest.fixture
def panel(source):
    """The settings of the panel with a rig to move."""
    target = build(replace(AWKWARD["a_pose"], roll=15), "Hero")
    settings = bpy.context.scene.int_mocap_retarget
    settings.source, settings.target = source, target
    return settings, target


def test_the_panel_maps_corrects_saves_and_retargets(panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INT_MOCAP_DATA", str(tmp_path / "own data"))
    settings, target = panel
    assert bpy.ops.int_mocap.map_bones() == {"FINISHED"}
    rows = {item.slot: item for item in settings.bones}
    assert rows["left_thigh"].bone == "Thigh.L" and rows["spine"].more == "Chest"
    rows["left_toe"].bone = ""
    settings.live = True
    before = target.pose.bones["UpperArm.L"].rotation_quaternion.copy()
    bpy.context.scene.frame_set(40)
    settings.plant = 0.5
    assert target.pose.bones["UpperArm.L"].rotation_quaternion.rotation_difference(before).angle > 0.03, "it follows"
    settings.live, settings.plant = False, 1.0
    assert bpy.ops.int_mocap.retarget() == {"FINISHED"}
    paths = {c.data_path for c in keyframes.curves_of(target.animation_data.action)}
    assert not any("Toe.L" in path for path in paths) and any("Toe.R" in path for path in paths)
    first = target.animation_data.action
    settings.preset_name = "Mine é"
    assert bpy.ops.int_mocap.save_preset() == {"FINISHED"}
    settings.preset = "Mine é"
    assert bpy.ops.int_mocap.map_bones() == {"FINISHED"}
    assert bpy.ops.int_mocap.retarget() == {"FINISHED"}
    assert target.animation_data.action != first and first.use_fake_user, "a second one does not lose the first"
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    with pytest.raises(RuntimeError, match="preset"):
        bpy.ops.int_mocap.load_preset(filepath=str(bad))


def test_an_alignment_by_hand_is_kept(panel) -> None:
    """A rig whose rest pose is strange: its alignment, told by a pose, is what counts."""
    settings, target = panel
    bpy.ops.int_mocap.map_bones()
    bpy.ops.int_mocap.show_rest()
    arm = target.pose.bones["UpperArm.L"]
    shown = (arm.tail - arm.head).normalized()
    assert abs(shown.z) < 0.1, "an A-pose is raised to the source's T-pose"
    bpy.ops.int_mocap.keep_rest()
    kept = settings.mapping()
    assert kept.rest["UpperArm.L"] != [1, 0, 0, 0]
    done = retarget(settings.source, presets.mapping_of(settings.source)[1], target, kept, Transfer())
    assert check(settings.source, target, kept, done)["arms"] < 0.5


def test_batch_writes_the_character(source, tmp_path: Path) -> None:
    from int_blender_addon import batch

    target = build(RigSpec(PLAIN, scale=0.01), "Hero")
    bpy.data.libraries.write(str(tmp_path / "hero rig.blend"), {target, *target.children})
    with pytest.raises(batch.ArgumentsError):
        batch.Character.parse("nothing.blend:X")
    character = batch.Character.parse(f"{tmp_path / 'hero rig.blend'}:Hero:auto")
    bpy.data.objects.remove(target)
    moved = character.moved_by(source)
    assert moved.animation_data.action.frame_range[1] == 120
    batch.EXPORTERS["fbx"](moved, tmp_path / "hero.fbx")
    assert (tmp_path / "hero.fbx").stat().st_size > 10_000
    character.rest()
    assert moved.animation_data.action is None


def test_one_take_onto_many_and_many_onto_one(panel) -> None:
    settings, target = panel
    other = build(AWKWARD["a_pose"], "Other")
    stool = bpy.data.objects.new("Stool", bpy.data.armatures.new("Stool"))
    bpy.context.scene.collection.objects.link(stool)
    for item in bpy.context.view_layer.objects:
        item.select_set(item in {target, other})
    assert bpy.ops.int_mocap.retarget_to_all() == {"FINISHED"}
    assert all(rig.animation_data.action is not None for rig in (target, other))
    stool.select_set(True)
    other.animation_data.action = None
    with pytest.raises(RuntimeError, match="Stool"):
        bpy.ops.int_mocap.retarget_to_all()
    assert other.animation_data.action is not None, "a stool does not keep the others from it"
    for item in bpy.context.view_layer.objects:
        item.select_set(item in {settings.source, other})
    before = len(bpy.data.actions)
    assert bpy.ops.int_mocap.retarget_all() == {"FINISHED"}
    assert len(bpy.data.actions) == before + 2, "an action for each that moves"
