"""The project's chores, with the standard library alone; works on Linux, macOS and Windows.

    python3 tasks.py demo     capture the sample video to build/demo/
    python3 tasks.py test     run the tests
    python3 tasks.py build    make dist/int_mocap-VERSION.zip
    python3 tasks.py bench    measure speed and memory; --exchange: retargeting and exports;
                              --farm: libraries of clips, on one machine and on Ray nodes
    python3 tasks.py lint     format, lint and types
    python3 tasks.py setup    only make the environments

Each makes the environments that it needs: .venvs/inference and .venvs/blender. BLENDER=path uses a real Blender in
place of the bpy wheel.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent
VENVS = ROOT / ".venvs"
BUILD = ROOT / "build"
SAMPLE = ROOT / "tests" / "data" / "videos" / "tfjs_pose_squats.mp4"
GROUPS = {"inference": ("inference", "train", "farm", "exchange", "test", "lint"), "blender": ("blender", "test")}
PACKAGED = ("int_blender_addon", "inference_server")
ROOT_INIT = '''"""INT Mocap as an installed extension: what Blender loads."""

from .int_blender_addon import register, unregister

__all__ = ["register", "unregister"]
'''


class TaskError(Exception):
    """A chore can't be done; the text is for the person."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a chore; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=sorted(TASKS))
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="handed on: to pytest by test")
    options = parser.parse_args(arguments)
    try:
        return TASKS[options.task](options.rest)
    except TaskError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


# ---- environments ------------------------------------------------------------------------------------------------


def environment(name: str) -> Path:
    """The Python of one of our environments, made or brought up to date if need be."""
    folder = VENVS / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = requirements(GROUPS[name])
    stamp = folder / "installed.txt"
    mark = hashlib.sha256("\n".join([sys.version, *wanted]).encode()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == mark:
        return python
    began = time.monotonic()
    print(f"making {folder.relative_to(ROOT)} (several minutes the first time)", flush=True)
    if not python.exists():
        run([sys.executable, "-m", "venv", str(folder)])
    run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted])
    stamp.write_text(mark)
    print(f"made {folder.relative_to(ROOT)} in {time.monotonic() - began:.0f} s", flush=True)
    return python


def requirements(groups: Sequence[str]) -> list[str]:
    """What pyproject.toml lists in some dependency groups."""
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    return [requirement for group in groups for requirement in known[group]]


def blender_command() -> list[str]:
    """What runs a script in Blender's Python: a real Blender if BLENDER names one, else the bpy wheel."""
    real = os.environ.get("BLENDER")
    if real:
        if shutil.which(real) is None:
            raise TaskError(f"BLENDER is {real}, which can't be run.")
        return [real, "-b", "--factory-startup", "--python-exit-code", "1", "--python"]
    if sys.version_info[:2] not in {(3, 11), (3, 13)}:
        raise TaskError(
            "The bpy wheel needs Python 3.11 or 3.13: run this with one of these, or set BLENDER to a Blender's path."
        )
    return [str(environment("blender"))]


def run(command: Sequence[str], **options) -> None:
    """Run a command; TaskError if it fails."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, check=False, **options)
    if done.returncode:
        raise TaskError(
            f"{Path(command[0]).name} {' '.join(str(p) for p in command[1:4])} … ended with {done.returncode}."
        )


# ---- chores ------------------------------------------------------------------------------------------------------


def setup(rest: Sequence[str]) -> int:
    """Make the environments."""
    environment("inference")
    blender_command()
    return 0


def demo(rest: Sequence[str]) -> int:
    """Capture the sample video with the default model, in Blender's Python, and draw what came of it."""
    inference, blender = environment("inference"), blender_command()
    out = BUILD / "demo"
    began = time.monotonic()
    batch = [*blender, str(ROOT / "int_blender_addon" / "batch.py"), "--", str(SAMPLE), "--out", str(out)]
    run([*batch, "--formats", "npz,fbx,blend", "--inference", str(inference)])
    captured = time.monotonic()
    take, picture = out / f"{SAMPLE.stem}.npz", out / f"{SAMPLE.stem}.png"
    run([inference, "-m", "inference_server", "picture", SAMPLE, "--take", take, "--out", picture])
    print(f"capture and export {captured - began:.1f} s, picture {time.monotonic() - captured:.1f} s")
    print("the take, the rig with its action, and moments of the take over the video:")
    for suffix in ("npz", "fbx", "blend", "png"):
        print(f"  {out.relative_to(ROOT) / SAMPLE.stem}.{suffix}")
    return 0


def test(rest: Sequence[str]) -> int:
    """Run the tests where they belong: the server's in its environment, Blender's in Blender's Python."""
    inference = environment("inference")
    runs = [("inference", [str(inference), "-m", "pytest"], "not blender")]
    blender = blender_command()
    if os.environ.get("BLENDER"):
        runner = [*blender, str(ROOT / "tests" / "run_in_blender.py"), "--"]
    else:
        runner = [*blender, "-m", "pytest"]
    runs.append(("blender", runner, "blender"))
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    began = time.monotonic()
    for name, command, marker in runs:
        result = BUILD / "test" / f"{name}.xml"
        result.parent.mkdir(parents=True, exist_ok=True)
        result.unlink(missing_ok=True)
        variables = {**os.environ, "INT_MOCAP_INFERENCE": str(inference)}
        own = [*command, *([] if name == "inference" else ["tests/blender"]), "-m", marker, f"--junitxml={result}"]
        subprocess.run([*own, *rest], cwd=ROOT, env=variables, check=False)
        _count(result, counts)
    summary = ", ".join(f"{count} {what}" for what, count in counts.items() if count or what == "failed")
    print(f"===== {summary} in {time.monotonic() - began:.0f}s =====", flush=True)
    return 0 if counts["failed"] == 0 and counts["passed"] else 1


def _count(result: Path, counts: dict[str, int]) -> None:
    """Add the numbers of a pytest report; a run without a report counts as a failure."""
    try:
        suites = ElementTree.parse(result).getroot().iter("testsuite")
    except (OSError, ElementTree.ParseError):
        counts["failed"] += 1
        return
    for suite in suites:
        number = {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
        failed = number["failures"] + number["errors"]
        counts["failed"] += failed
        counts["skipped"] += number["skipped"]
        counts["passed"] += number["tests"] - failed - number["skipped"]


def build(rest: Sequence[str]) -> int:
    """Make the extension's zip with Blender's own tool, and have it validated."""
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    target = ROOT / "dist" / f"{manifest['id']}-{manifest['version']}.zip"
    target.parent.mkdir(exist_ok=True)
    tool = _extension_tool()
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        source, made = Path(folder) / "source", Path(folder) / target.name
        _stage(source)
        run([*tool, "build", f"--source-dir={source}", f"--output-filepath={made}"])
        run([*tool, "validate", str(made)])
        os.replace(made, target)
    print(f"{target.relative_to(ROOT)} {target.stat().st_size / 1e6:.1f} MB")
    return 0


def _stage(folder: Path) -> None:
    """The extension as Blender wants it: a package whose root registers, with both halves side by side."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    for name in PACKAGED:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("blender_manifest.toml", "LICENSE", "README.md", "pyproject.toml"):
        shutil.copy2(ROOT / name, folder / name)
    (folder / "__init__.py").write_text(ROOT_INIT, encoding="utf-8")


def _extension_tool() -> list[str]:
    """Blender's extension tool: of a real Blender, or of the bpy wheel, which carries it as a script."""
    real = os.environ.get("BLENDER")
    if real:
        return [real, "--command", "extension"]
    blender_command()
    python = environment("blender")
    found = sorted((VENVS / "blender").rglob("bl_pkg/cli/blender_ext.py"))
    if not found:
        raise TaskError("This bpy wheel has no extension tool: set BLENDER to a Blender's path.")
    return [str(python), str(found[-1])]


def bench(rest: Sequence[str]) -> int:
    """Measure the path, stage by stage; prints a table and writes build/bench.json."""
    inference = environment("inference")
    if "--exchange" in rest:
        measure = [*blender_command(), str(ROOT / "tests" / "exchange" / "measure.py")]
        run(measure, env={**os.environ, "INT_MOCAP_INFERENCE": str(inference)})
        return 0
    if "--farm" in rest:
        others = [word for word in rest if word != "--farm"]
        run([inference, "-m", "inference_server.farm.bench", "--videos", SAMPLE.parent, *others])
        return 0
    out = BUILD / "bench.json"
    out.parent.mkdir(exist_ok=True)
    run([inference, "-m", "inference_server.bench", "--out", str(out), *rest])
    json.loads(out.read_text(encoding="utf-8"))
    return 0


def lint(rest: Sequence[str]) -> int:
    """Formatting, lint and types."""
    python = environment("inference")
    run([python, "-m", "ruff", "format", "--check", "."])
    run([python, "-m", "ruff", "check", "."])
    run([python, "-m", "mypy", "int_blender_addon/core", "inference_server"])
    return 0


TASKS = {"setup": setup, "demo": demo, "test": test, "build": build, "bench": bench, "lint": lint}

if __name__ == "__main__":
    sys.exit(main())
