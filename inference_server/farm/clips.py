"""What is to be captured: videos and folders of them, each with a name of its own under the output folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from int_blender_addon.core.errors import ArgumentsError

VIDEO_ENDINGS = {".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".ts"}


@dataclass(frozen=True)
class Clip:
    """One video.

    Attributes:
        key: Path of its results below the output folder, without an ending.
        video: The file, absolute.
    """

    key: str
    video: Path


def collect(inputs: Sequence[Path]) -> list[Clip]:
    """The clips of files and folders; folders keep their shape, equal names get a number.

    Raises:
        ArgumentsError: There is nothing, or a folder holds no video.
    """
    found: list[Clip] = []
    seen: set[Path] = set()
    taken: set[str] = set()
    for given in inputs:
        for path, key in _videos(given):
            video = path.absolute()
            if video in seen:
                continue
            seen.add(video)
            name, number = key, 1
            while name.lower() in taken:
                number += 1
                name = f"{key}_{number}"
            taken.add(name.lower())
            found.append(Clip(name, video))
    if not found:
        raise ArgumentsError("There is nothing to capture.", "Name videos, or folders with videos.")
    return found


def _videos(given: Path) -> list[tuple[Path, str]]:
    if not given.is_dir():
        return [(given, given.stem)]  # one that isn't there is told with the others that fail
    inside = [p for p in sorted(given.rglob("*")) if p.is_file() and p.suffix.lower() in VIDEO_ENDINGS]
    if not inside:
        raise ArgumentsError(f"The folder {given} holds no video.")
    return [(path, path.relative_to(given).with_suffix("").as_posix()) for path in inside]


def checksum(path: Path) -> str:
    """SHA-256 of a file. Raises OSError."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def stamp(path: Path) -> tuple[int, int]:
    """Size and time of change; zeros where there is no file."""
    try:
        stat = os.stat(path)
    except OSError:
        return 0, 0
    return stat.st_size, stat.st_mtime_ns
