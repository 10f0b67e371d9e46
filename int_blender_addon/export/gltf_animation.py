"""The animation of a binary glTF made right: its name, and the times of its keys.

Blender's exporter multiplies by `fps_base` where it should divide: at 29.97 frames a second everything comes out 0.2 %
short. Rates that are whole numbers are not touched.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

FLOAT = 5126  # glTF's number for 32-bit floats


def finish_animation(path: Path, last: float, name: str) -> None:
    """Name the animation, and scale all key times so that its last key lies at `last` seconds."""
    data = bytearray(path.read_bytes())
    length = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + length])
    start = 20 + length + 8  # of the binary chunk's content
    for animation in document.get("animations", []):
        animation["name"] = name
    inputs = {s["input"] for a in document.get("animations", []) for s in a["samplers"]}
    accessors = [document["accessors"][number] for number in sorted(inputs)]
    found = max((accessor["max"][0] for accessor in accessors), default=0.0)
    right = found <= 0 or abs(found - last) < 1e-6 * max(1.0, last)
    scale = 1.0 if right else last / found
    for accessor in accessors if scale != 1.0 else []:
        assert accessor["componentType"] == FLOAT
        view = document["bufferViews"][accessor["bufferView"]]
        place = start + view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        times = np.frombuffer(data, np.float32, accessor["count"], place)
        times = (times.astype(np.float64) * scale).astype(np.float32)
        data[place : place + times.nbytes] = times.tobytes()
        accessor["min"], accessor["max"] = [float(times.min())], [float(times.max())]
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIIII", b"glTF", 2, 20 + len(text) + len(data) - 20 - length, len(text), 0x4E4F534A)
    path.write_bytes(head + text + data[20 + length :])
