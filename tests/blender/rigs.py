"""Rigs to retarget to, made by a script: any names, rest pose, rolls, axes, scale and number of bones."""

from __future__ import annotations

from dataclasses import dataclass, field

import bpy
import numpy as np
from mathutils import Matrix, Vector

# joints of a person of 1.75 m in a T-pose, facing -y: left is +x
CENTRE = {
    "hips": (0, 0, 0.97),
    "chest": (0, 0.02, 1.2),
    "neck": (0, 0.02, 1.47),
    "head": (0, 0, 1.56),
    "top": (0, 0, 1.75),
}
LIMBS = {
    "clavicle": (0.03, 0.01, 1.42), "upper_arm": (0.17, 0.02, 1.43), "forearm": (0.45, 0.03, 1.43),
    "hand": (0.71, 0.02, 1.43), "fingers": (0.8, 0.02, 1.43),
    "thigh": (0.09, 0, 0.92), "shin": (0.095, -0.01, 0.5), "foot": (0.1, 0.02, 0.09), "toe": (0.105, -0.11, 0.02),
    "toe_end": (0.105, -0.18, 0.02),
}  # fmt: skip


@dataclass
class RigSpec:
    """What a rig is like.

    Attributes:
        names: Bone names by slot as in a `Mapping` (spine and neck with several); slots that lack are left out.
        droop: Degrees by which the arms hang below a T-pose.
        roll: Degrees added to every bone's roll, each another multiple.
        scale: Of the object, the bones being drawn as much larger.
        turned: Degrees by which the object is turned about z, the bones being drawn turned back.
        y_up: Whether the bones are drawn with y up and the object turned upright.
        legs, arms: Lengths over the usual.
        root: A bone on the ground that carries all.
        tails: `child` (bones reach their children) or `up` (all bones are short and point up, as from FBX).
    """

    names: dict[str, list[str]]
    droop: float = 0.0
    roll: float = 0.0
    scale: float = 1.0
    turned: float = 0.0
    y_up: bool = False
    legs: float = 1.0
    arms: float = 1.0
    root: str = ""
    tails: str = "child"
    mesh: bool = True
    extra: list[tuple[str, str, tuple[float, float, float]]] = field(default_factory=list)


def joints_of(spec: RigSpec) -> dict[str, np.ndarray]:
    """Heads of the bones by name, in the world, and ends by `name end`."""
    found: dict[str, np.ndarray] = {}
    lift = (spec.legs - 1) * (LIMBS["thigh"][2] - LIMBS["foot"][2])

    def centre(name: str) -> np.ndarray:
        return np.array(CENTRE[name], float) + np.array([0, 0, lift])

    hips, neck, head, top = (centre(k) for k in ("hips", "neck", "head", "top"))
    found[spec.names["hips"][0]] = hips
    spine, necks = spec.names.get("spine", []), spec.names.get("neck", [])
    for k, name in enumerate(spine):
        found[name] = hips + (neck - hips) * (k + 1) / (len(spine) + 1)
    for k, name in enumerate(necks):
        found[name] = neck + (head - neck) * k / len(necks)
    if "head" in spec.names:
        found[spec.names["head"][0]], found["head end"] = head, top
    for side, sign in (("left", 1), ("right", -1)):
        droop = np.radians(spec.droop) * sign
        turn = np.array([[np.cos(droop), 0, np.sin(droop)], [0, 1, 0], [-np.sin(droop), 0, np.cos(droop)]])
        shoulder = np.array(LIMBS["upper_arm"]) * [sign, 1, 1]
        for part in ("clavicle", "upper_arm", "forearm", "hand", "fingers"):
            point = np.array(LIMBS[part]) * [sign, 1, 1]
            if part not in ("clavicle", "upper_arm"):
                point = shoulder + spec.arms * turn @ (point - shoulder)
            point = point + np.array([0, 0, lift])
            own = spec.names.get(f"{side}_{part}", [])
            if part == "fingers":
                found[f"{side}_hand end"] = point
            elif own:
                found[own[0]] = point
        for part in ("thigh", "shin", "foot", "toe", "toe_end"):
            point = np.array(LIMBS[part]) * [sign, 1, 1]
            if part in ("thigh", "shin"):
                foot = np.array(LIMBS["foot"]) * [sign, 1, 1]
                point = foot + spec.legs * (point - foot)
            own = spec.names.get(f"{side}_{part}", [])
            if part == "toe_end":
                found[f"{side}_toe end"] = point
            elif own:
                found[own[0]] = point
            elif part == "toe":
                found[f"{side}_foot end"] = point
        for part, end in (("upper_arm", "forearm"), ("forearm", "hand"), ("thigh", "shin"), ("shin", "foot")):
            twists = spec.names.get(f"{side}_{part}_twist", [])
            a, b = (found[spec.names[f"{side}_{which}"][0]] for which in (part, end))
            for k, name in enumerate(twists):
                found[name] = a + (b - a) * (k + 1) / (len(twists) + 1)
    return found


def build(spec: RigSpec, name: str = "Rig") -> bpy.types.Object:
    """The armature, with a mesh whose lowest vertex is at the soles."""
    world = Matrix.Rotation(np.radians(spec.turned), 4, "Z") @ Matrix.Scale(spec.scale, 4)
    if spec.y_up:
        world = world @ Matrix.Rotation(np.pi / 2, 4, "X")
    inverse = world.inverted()
    data = bpy.data.armatures.new(name)
    rig = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(rig)
    rig.matrix_world = world
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    joints = joints_of(spec)
    turn = Matrix.Rotation(np.radians(spec.turned), 4, "Z")
    bones = data.edit_bones
    parents = _parents(spec)
    for number, (own, parent) in enumerate(parents.items()):
        bone = bones.new(own)
        head = Vector(joints[own]) if own in joints else Vector((0, 0, 0))
        end = _end(spec, own, joints, parents)
        if spec.tails == "up" or (end - head).length < 1e-4:
            end = head + Vector((0, 0, 0.06))
        bone.head, bone.tail = inverse @ turn @ head, inverse @ turn @ end
        bone.roll += np.radians(spec.roll * (number % 7))
        if parent:
            bone.parent = bones[parent]
    for own, parent, place in spec.extra:
        bone = bones.new(own)
        bone.head = inverse @ turn @ Vector(place)
        bone.tail = inverse @ turn @ (Vector(place) + Vector((0, 0, 0.05)))
        bone.parent = bones[parent] if parent else None
    bpy.ops.object.mode_set(mode="OBJECT")
    if spec.mesh:
        mesh = bpy.data.meshes.new(f"{name} mesh")
        mesh.from_pydata(
            [inverse @ turn @ Vector(p) for p in ((0.1, 0, 0), (-0.1, 0, 0), (0, 0, 1.75))], [], [(0, 1, 2)]
        )
        skin = bpy.data.objects.new(f"{name} mesh", mesh)
        bpy.context.scene.collection.objects.link(skin)
        skin.parent = rig
        skin.modifiers.new("Armature", "ARMATURE").object = rig
    bpy.context.view_layer.update()
    return rig


def _parents(spec: RigSpec) -> dict[str, str]:
    """Bones with their parents, parents first; twist bones are children of their limb."""
    names = spec.names
    order: dict[str, str] = {}
    if spec.root:
        order[spec.root] = ""
    order[names["hips"][0]] = spec.root
    before = names["hips"][0]
    for slot in ("spine", "neck", "head"):
        if slot == "spine":
            chest = (names.get("spine") or names["hips"])[-1]
        for own in names.get(slot, []):
            order[own] = before
            before = own
    for side in ("left", "right"):
        for chain, start in (
            (("clavicle", "upper_arm", "forearm", "hand"), chest),
            (("thigh", "shin", "foot", "toe"), names["hips"][0]),
        ):
            before = start
            for part in chain:
                for own in names.get(f"{side}_{part}", []):
                    order[own] = before
                    before = own
                for twist in names.get(f"{side}_{part}_twist", []):
                    order[twist] = names[f"{side}_{part}"][0]
    return order


def _end(spec: RigSpec, own: str, joints: dict[str, np.ndarray], parents: dict[str, str]) -> Vector:
    """Where a bone ends: at its child, or at the end of its limb."""
    slot = next((s for s, bones in spec.names.items() if own in bones), "")
    children = [child for child, parent in parents.items() if parent == own and child in joints]
    if slot.endswith("_hand") or slot == "head" or (slot.endswith(("_toe", "_foot")) and not children):
        return Vector(joints[f"{slot} end"])
    if slot in {"hips", "spine"}:
        up = [c for c in children if c in (*spec.names.get("spine", []), *spec.names.get("neck", []))]
        children = up or children
    return Vector(joints[children[0]]) if children else Vector(joints.get(own, np.zeros(3))) + Vector((0, 0, 0.05))
