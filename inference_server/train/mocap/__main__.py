"""python -m inference_server.train.mocap FOLDER --out CACHE.npz: unpacked archives to one cache of clips."""

from __future__ import annotations

import argparse
from pathlib import Path

from int_blender_addon.core.body import load_free_body

from .catalog import build, measured_gravity, save_clips


def main() -> None:
    """Read, print what was found, write."""
    parser = argparse.ArgumentParser(prog="python -m inference_server.train.mocap", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the archives are unpacked")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    body = load_free_body()
    clips, remarks = build(options.folder, body)
    print(f"{'source':8} {'subject':16} {'clips':>5} {'minutes':>7} {'fps':>5} {'gravity in flight':>18}")
    for source, subject in sorted({(c.source, c.subject) for c in clips}):
        group = [c for c in clips if (c.source, c.subject) == (source, subject)]
        minutes = sum(len(c.root) / c.fps for c in group) / 60
        flights = [g for g in (measured_gravity(c, body) for c in group) if g is not None]
        gravity = " ".join(f"{g:.1f}" for g in sorted(flights)[-4:])
        held = " held out" if group[0].held_out else ""
        print(f"{source:8} {subject:16} {len(group):5} {minutes:7.2f} {group[0].fps:5.0f} {gravity:>18}{held}")
    print("left out or cut:", *remarks, sep="\n  ")
    save_clips(options.out, clips)


if __name__ == "__main__":
    main()
