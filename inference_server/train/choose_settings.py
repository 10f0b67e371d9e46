"""Chooses the fit's settings on held-out synthetic motion, one after the other.

python -m inference_server.train.choose_settings CACHE.npz
"""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path

from int_blender_addon.core.body import BodyModel, load_free_body

from ..motion.fit import FitSettings
from .heldout import Example, Score, evaluate, held_out_set, mean_score
from .mocap.catalog import load_clips

STEPS = (0.7, 1.4)
WORTH = 0.995  # a change must lower the cost below this share of it


def cost(score: Score) -> float:
    """One number for a set: millimetres, where two degrees or three millimetres of pelvis error count as one."""
    return score.pa_mpjpe + score.mpjpe / 3 + 2 * score.degrees + score.accel


def search(examples: list[Example], body: BodyModel, quality: str) -> FitSettings:
    """Coordinate descent from the present settings."""
    best = FitSettings()
    lowest = cost(mean_score(evaluate(examples, body, quality, best)))
    print(f"{lowest:.2f} {best}", flush=True)
    for _ in range(2):
        before = best
        for field in fields(best):
            for step in STEPS:
                while True:
                    tried = replace(best, **{field.name: getattr(best, field.name) * step})
                    found = mean_score(evaluate(examples, body, quality, tried))
                    if cost(found) > WORTH * lowest:
                        break
                    best, lowest = tried, cost(found)
                    print(f"{lowest:.2f} {field.name} {getattr(best, field.name):.4g} {found}", flush=True)
        if best == before:
            break
    return best


def main() -> None:
    """Print each change that helps, and the settings in the end."""
    parser = argparse.ArgumentParser(prog="python -m inference_server.train.choose_settings", description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--quality", default="fast")
    options = parser.parse_args()
    body = load_free_body()
    examples = held_out_set(load_clips(options.cache), options.count, options.seed, body)
    print(search(examples, body, options.quality))


if __name__ == "__main__":
    main()
