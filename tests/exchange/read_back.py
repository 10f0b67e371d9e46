"""Files that Blender wrote, read by other programs: where each joint is on each frame, in metres, z up.

python tests/exchange/read_back.py FILE… --out FOLDER        writes FOLDER/FILE.npz with names, times, joints, rate

FBX is read by ufbx, glTF through pygltflib, USD by usd-core, BVH by the few lines here: none of them Blender's.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])  # y up to z up


@dataclass
class ReadBack:
    """What a file says of its joints."""

    names: list[str]
    times: np.ndarray  # (T,) seconds
    joints: np.ndarray  # (T, J, 3) metres, z up
    rate: float
    facts: dict[str, float] = field(default_factory=dict)


def read_fbx(path: Path) -> ReadBack:
    """Through ufbx, turned into z up and metres by it."""
    import ufbx

    scene = ufbx.load_file(
        str(path), target_axes=ufbx.axes_right_handed_z_up, target_unit_meters=1.0, generate_missing_normals=False
    )
    stack = scene.anim_stacks[0]
    rate = scene.settings.frames_per_second
    count = round((stack.time_end - stack.time_begin) * rate) + 1
    times = stack.time_begin + np.arange(count) / rate
    nodes = list(scene.nodes)  # parents come before children
    place = {node.name: k for k, node in enumerate(nodes)}
    parents = [-1 if node.is_root else place[node.parent.name] for node in nodes]
    world = np.empty((len(nodes), count, 4, 4))
    for k, node in enumerate(nodes):
        local = np.array([_local(node.evaluate_transform(stack.anim, float(time))) for time in times])
        world[k] = local if parents[k] < 0 else world[parents[k]] @ local
    bones = [k for k, node in enumerate(nodes) if node.bone is not None]
    joints = np.stack([world[k][:, :3, 3] for k in bones], axis=1)
    top = bones[0]
    while not nodes[parents[top]].is_root:
        top = parents[top]
    plain = ufbx.load_file(str(path))
    first = next(node for node in plain.nodes if node.name == nodes[top].name)
    facts = {
        "root scale": float(np.abs(first.local_transform.scale.x)),
        "root turn": float(2 * np.degrees(np.arccos(min(1.0, abs(first.local_transform.rotation.w))))),
        "unit": plain.settings.unit_meters,
        "meshes": len(plain.meshes),
        "begin": stack.time_begin,
    }
    return ReadBack([nodes[k].name for k in bones], times, joints, rate, facts)


def _local(transform) -> np.ndarray:
    """4 x 4 of a node's own transform."""
    matrix = np.eye(4)
    q, t, s = transform.rotation, transform.translation, transform.scale
    matrix[:3, :3] = _matrices(np.array([[q.x, q.y, q.z, q.w]]))[0] * [s.x, s.y, s.z]
    matrix[:3, 3] = t.x, t.y, t.z
    return matrix


def read_glb(path: Path) -> ReadBack:
    """Through pygltflib: nodes, one animation, linear samplers."""
    import pygltflib

    document = pygltflib.GLTF2().load(str(path))
    blob = document.binary_blob()
    kinds = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}

    def values(number: int) -> np.ndarray:
        accessor = document.accessors[number]
        view = document.bufferViews[accessor.bufferView]
        size = kinds[accessor.type]
        start = (view.byteOffset or 0) + (accessor.byteOffset or 0)
        return np.frombuffer(blob, np.float32, accessor.count * size, start).reshape(accessor.count, size)

    assert len(document.animations) == 1, "one take is one animation"
    animation = document.animations[0]
    samplers = animation.samplers
    keyed = {(c.target.node, c.target.path): samplers[c.sampler] for c in animation.channels}
    times = np.unique(np.concatenate([values(s.input)[:, 0] for s in samplers]))
    locals_: dict[int, np.ndarray] = {}
    for number, node in enumerate(document.nodes):
        rotation = np.tile(node.rotation or [0, 0, 0, 1], (len(times), 1)).astype(float)
        place = np.tile(node.translation or [0, 0, 0], (len(times), 1)).astype(float)
        if (number, "rotation") in keyed:
            sampler = keyed[number, "rotation"]
            rotation = _at(times, values(sampler.input)[:, 0], values(sampler.output))
        if (number, "translation") in keyed:
            sampler = keyed[number, "translation"]
            place = _at(times, values(sampler.input)[:, 0], values(sampler.output))
        matrix = np.tile(np.eye(4), (len(times), 1, 1))
        matrix[:, :3, :3] = _matrices(rotation) * np.array(node.scale or [1, 1, 1])
        matrix[:, :3, 3] = place
        locals_[number] = matrix
    world: dict[int, np.ndarray] = {}
    for root in document.scenes[document.scene].nodes:
        _place_children(document.nodes, locals_, world, root, np.eye(4))
    joints = document.skins[0].joints if document.skins else _joints_without_skin(document)
    placed = np.stack([Y_UP @ world[j] for j in joints], axis=1)[..., :3, 3]
    return ReadBack([document.nodes[j].name for j in joints], times, placed, float(1 / np.diff(times).mean()))


def _joints_without_skin(document) -> list[int]:
    root = document.scenes[document.scene].nodes[0]
    return [n for n in range(len(document.nodes)) if n != root and document.nodes[n].mesh is None]


def _place_children(nodes, local, world, number: int, above: np.ndarray) -> None:
    world[number] = above @ local[number]
    for child in nodes[number].children or []:
        _place_children(nodes, local, world, child, world[number])


def _at(times: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(times, keys, values[:, k]) for k in range(values.shape[1])], axis=-1)


def _matrices(quaternions: np.ndarray) -> np.ndarray:
    """(T, 3, 3) of x, y, z, w."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_quat(quaternions).as_matrix()


def read_usd(path: Path) -> ReadBack:
    """Through usd-core: the skeleton's joints in its own space, placed by its prim."""
    from pxr import Usd, UsdGeom, UsdSkel

    stage = Usd.Stage.Open(str(path))
    skeleton = UsdSkel.Skeleton(next(p for p in stage.Traverse() if p.IsA(UsdSkel.Skeleton)))
    query = UsdSkel.Cache().GetSkelQuery(skeleton)
    codes = query.GetAnimQuery().GetJointTransformTimeSamples()
    rate = stage.GetTimeCodesPerSecond()
    unit = UsdGeom.GetStageMetersPerUnit(stage)
    turn = Y_UP if UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.y else np.eye(4)
    joints = []
    for code in codes:
        placed = UsdGeom.Imageable(skeleton).ComputeLocalToWorldTransform(code)
        matrices = [np.array(m * placed).T for m in query.ComputeJointSkelTransforms(code)]
        joints.append([(turn @ m)[:3, 3] * unit for m in matrices])
    names = [str(name).rsplit("/", 1)[-1] for name in query.GetJointOrder()]
    return ReadBack(names, np.array(codes) / rate, np.array(joints), rate)


def read_bvh(path: Path) -> ReadBack:
    """The format's own words: offsets and channels in the order in which they stand; y up, as is the custom."""
    words = path.read_text().split()
    names, parents, offsets, channels = [], [], [], []
    stack: list[int] = []
    place = words.index("ROOT")
    while words[place] != "MOTION":
        word = words[place]
        if word in {"ROOT", "JOINT", "End"}:
            end = word == "End"
            names.append("" if end else words[place + 1])
            parents.append(stack[-1] if stack else -1)
            channels.append([])
            offsets.append([])
            place += 2
        elif word == "{":
            stack.append(len(names) - 1)
            place += 1
        elif word == "}":
            stack.pop()
            place += 1
        elif word == "OFFSET":
            offsets[stack[-1]] = [float(v) for v in words[place + 1 : place + 4]]
            place += 4
        else:
            assert word == "CHANNELS", word
            count = int(words[place + 1])
            channels[stack[-1]] = words[place + 2 : place + 2 + count]
            place += 2 + count
    frames = int(words[words.index("Frames:") + 1])
    seconds = float(words[words.index("Time:") + 1])
    rows = np.array(words[words.index("Time:") + 2 :], float).reshape(frames, -1)
    world = np.empty((len(names), frames, 4, 4))
    column = 0
    for joint, own in enumerate(channels):
        matrix = np.tile(np.eye(4), (frames, 1, 1))
        shift = np.tile(np.array(offsets[joint]), (frames, 1))
        for channel in own:
            axis = "XYZ".index(channel[0])
            if channel.endswith("position"):
                # as Blender and most programs have it, a position that is there takes the offset's place
                shift[:, axis] = rows[:, column]
            else:
                matrix = matrix @ _about(axis, np.radians(rows[:, column]))
            column += 1
        matrix[:, :3, 3] = shift
        world[joint] = matrix if parents[joint] < 0 else world[parents[joint]] @ matrix
    shown = [k for k, name in enumerate(names) if name]
    joints = np.stack([Y_UP @ world[k] for k in shown], axis=1)[..., :3, 3]
    return ReadBack([names[k] for k in shown], np.arange(frames) * seconds, joints, 1 / seconds)


def _about(axis: int, angles: np.ndarray) -> np.ndarray:
    matrix = np.tile(np.eye(4), (len(angles), 1, 1))
    a, b = [(1, 2), (2, 0), (0, 1)][axis]
    matrix[:, a, a] = matrix[:, b, b] = np.cos(angles)
    matrix[:, b, a], matrix[:, a, b] = np.sin(angles), -np.sin(angles)
    return matrix


def read_csv(path: Path) -> ReadBack:
    """With the csv module."""
    import csv

    with open(path, newline="", encoding="utf-8") as stream:
        header, *rows = list(csv.reader(stream))
    values = np.array(rows, float)
    names = [name[:-2] for name in header[2::3]]
    times = values[:, 1]
    return ReadBack(names, times, values[:, 2:].reshape(len(values), -1, 3), float(1 / np.diff(times).mean()))


READERS = {"fbx": read_fbx, "glb": read_glb, "usd": read_usd, "bvh": read_bvh, "csv": read_csv}


def main() -> None:
    """Read files, write what they say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    for path in options.files:
        found = READERS[path.suffix[1:]](path)
        np.savez(
            options.out / f"{path.name}.npz",
            names=np.array(found.names),
            times=found.times,
            joints=found.joints,
            rate=found.rate,
            **found.facts,
        )


if __name__ == "__main__":
    main()
