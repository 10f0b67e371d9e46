"""The messages between Blender and the inference process: one JSON object a line, arrays by path.

To the child:   capture {id, video, out, ...options} · cancel {id} · quit {}
                probe {id, video} · observe {id, video, out, quality, start, end} · picture {id, video, take, out}
From the child: hello {protocol, version, device} · progress {id, stage, done, total, eta} · log {level, text}
                stretch {id, path, first, last} · result {id, path, body, person_id} · done {id}
                info {id, frames, fps, duration}
                error {id, code, message, hint}
A reader ignores messages and fields that it does not know. A different protocol number is refused.
"""

from __future__ import annotations

import json
from typing import Any

from .errors import ProtocolError

PROTOCOL = 1


def encode(kind: str, **values: Any) -> bytes:
    """One message as a line of UTF-8 JSON."""
    return (json.dumps({"type": kind, **values}, ensure_ascii=True, allow_nan=False) + "\n").encode("ascii")


def decode(line: bytes | str) -> dict[str, Any] | None:
    """The message on a line, or None where the line is not one."""
    try:
        message = json.loads(line)
    except (ValueError, UnicodeDecodeError):
        return None
    return message if isinstance(message, dict) and isinstance(message.get("type"), str) else None


def check_hello(message: dict[str, Any]) -> None:
    """Refuse a child that speaks another protocol.

    Raises:
        ProtocolError: The protocol's number is not ours.
    """
    if message.get("type") != "hello" or message.get("protocol") != PROTOCOL:
        raise ProtocolError(
            f"The inference environment speaks protocol {message.get('protocol')}, this add-on speaks {PROTOCOL}."
        )
