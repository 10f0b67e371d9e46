"""What a night brought: measures of takes, a summary for the terminal, and a page with the worst takes first."""

from __future__ import annotations

import html
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from int_blender_addon.core.errors import MocapError
from int_blender_addon.core.files import replacing
from int_blender_addon.core.motion import load_motion

from ..evaluate.quality import of_take

PAGE = "report.html"
STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em; background: #1d1f21; color: #ddd }
table { border-collapse: collapse } td, th { padding: .2em .8em; text-align: left; border-bottom: 1px solid #333 }
.take { margin: 1.5em 0 } .take img { max-width: 100%; display: block } .bad { color: #f0a060 }
"""


def measures_of(takes: Sequence[Path]) -> dict[str, float]:
    """Numbers by which takes are looked at first: those of the worst take.

    `doubt`: 1 minus the mean confidence; `off`: landmarks' distance in percent of the person's height; `sliding`: mm a
    frame of planted feet before refining; `short`: share of frames that were bridged.
    """
    found: dict[str, float] = {}
    for path in takes:
        motion = load_motion(path)
        own = {"doubt": 1 - float(np.mean(motion.confidence)), "short": float(np.mean(motion.bridged))}
        if "reprojection" in motion.extra:
            own["off"] = 100 * float(np.mean(motion.extra["reprojection"]))
        try:
            own["sliding"] = float(of_take(path)["raw"]["sliding"])
        except (MocapError, KeyError, ValueError):
            own["sliding"] = 0.0  # another body than ours
        found = {name: max(found.get(name, 0.0), value) for name, value in own.items() if np.isfinite(value)} | {
            name: value for name, value in found.items() if name not in own
        }
    return found


def badness(measures: dict[str, float]) -> float:
    """One number to sort by: each measure by what is usual of it."""
    usual = {"doubt": 0.15, "off": 3.0, "sliding": 10.0, "short": 0.1}
    return sum(measures.get(name, 0.0) / value for name, value in usual.items())


def summary(rows: Sequence[sqlite3.Row], seconds: float) -> str:
    """The table at the end: what failed with code and sentence, what was done by which node, frames a second."""
    done = [row for row in rows if row["state"] == "done"]
    lines = [
        f"failed: {row['video']}: [{row['code']}] {row['message']}"
        for row in sorted(rows, key=lambda r: r["key"])
        if row["state"] == "failed"
    ]
    for node in sorted({row["node"] or "" for row in done}):
        own = [row for row in done if (row["node"] or "") == node]
        frames, spent = sum(row["frames"] or 0 for row in own), sum(row["seconds"] or 0.0 for row in own)
        lines.append(
            f"{node}: {len(own)} clips, {frames} frames, {frames / max(spent, 1e-6):.1f} frames a second a place"
        )
    counts = {state: sum(row["state"] == state for row in rows) for state in sorted({row["state"] for row in rows})}
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    lines.append(f"{told} in {seconds:.0f} s")
    return "\n".join(lines)


def write_report(rows: Sequence[sqlite3.Row], folder: Path) -> Path:
    """The page: failures, then takes with their pictures, the worst first.

    Raises:
        DiskFullError, OutputUnwritableError: It could not be written.
    """
    failed = [row for row in rows if row["state"] == "failed"]
    done = [row for row in rows if row["takes"] and row["state"] in {"done", "captured", "exporting"}]
    done.sort(key=lambda row: -badness(json.loads(row["measures"] or "{}")))
    parts = [f"<!doctype html><meta charset='utf-8'><title>Takes</title><style>{STYLE}</style>"]
    parts.append(f"<h1>{len(done)} captured, {len(failed)} failed</h1>")
    if failed:
        parts.append("<table><tr><th>failed</th><th>why</th><th>what to do</th></tr>")
        for row in failed:
            cells = (row["video"], f"[{row['code']}] {row['message']}", row["hint"] or "")
            parts.append("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>")
        parts.append("</table>")
    for row in done:
        parts.append(_entry(row))
    with replacing(folder / PAGE) as aside:
        aside.write_text("\n".join(parts), encoding="utf-8")
    return folder / PAGE


def _entry(row: sqlite3.Row) -> str:
    measures = json.loads(row["measures"] or "{}")
    words = {"doubt": "doubt {:.0%}", "off": "landmarks off by {:.1f} %", "sliding": "raw feet slide {:.1f} mm a frame"}
    told = ", ".join(text.format(measures[name]) for name, text in words.items() if name in measures)
    cls = " class='bad'" if badness(measures) > 4 else ""
    lines = [f"<div class='take'><b{cls}>{html.escape(row['key'])}</b> {row['frames']} frames, {html.escape(told)}"]
    for take in json.loads(row["takes"]):
        if take.get("picture"):
            lines.append(f"<img loading='lazy' src='report/{html.escape(take['picture'])}' alt=''>")
    return "".join(lines) + "</div>"
