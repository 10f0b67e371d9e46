"""The job compiler script for Flamenco: its manager is not at hand, so its commands are compiled here, and run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_faults import takes

quickjs = pytest.importorskip("quickjs")
SCRIPT = Path(__file__).resolve().parents[2] / "inference_server" / "farm" / "flamenco" / "int_mocap.js"
MANAGER = """
const tasks = [];
const author = {
    Task: (name, type) => ({ name, type, commands: [], addCommand(command) { this.commands.push(command); } }),
    Command: (name, parameters) => ({ name, parameters }),
};
const job = { settings: SETTINGS, addTask: (task) => tasks.push(task) };
compileJob(job);
JSON.stringify(tasks);
"""


def compiled(**settings) -> list[dict]:
    context = quickjs.Context()
    context.eval(SCRIPT.read_text(encoding="utf-8").replace("const JOB_TYPE", "var JOB_TYPE"))
    known = json.loads(context.eval("JSON.stringify(JOB_TYPE)"))["settings"]
    values = {s["key"]: s["default"] for s in known if "default" in s} | settings
    assert {s["key"] for s in known} == set(values), "each setting has a value"
    return json.loads(context.eval(MANAGER.replace("SETTINGS", json.dumps(values))))


def test_a_batch_is_cut_into_tasks() -> None:
    videos = [f"/shots/a b/{n}.mp4" for n in range(25)]
    tasks = compiled(videos="\n".join(videos), output="/out", clips_per_task=10)
    assert [task["name"] for task in tasks] == ["capture-1-10", "capture-11-20", "capture-21-25"]
    arguments = [task["commands"][0]["parameters"]["args"] for task in tasks]
    assert [w for own in arguments for w in own if w.endswith(".mp4")] == videos
    assert all(task["commands"][0]["parameters"]["exe"] == "{intMocapPython}" for task in tasks)


@pytest.mark.slow
def test_the_compiled_commands_run(clips, tmp_path) -> None:
    videos = [str(clips / f"clip {n}.mp4") for n in range(3)]
    out = tmp_path / "the output"
    tasks = compiled(videos="\n".join(videos), output=str(out), formats="npz", quality="fast", clips_per_task=2)
    running = [
        subprocess.Popen([sys.executable, *task["commands"][0]["parameters"]["args"]], stdout=subprocess.DEVNULL)
        for task in tasks
    ]
    assert [process.wait(240) for process in running] == [0, 0]
    assert takes(out) == ["clip 0.npz", "clip 1.npz", "clip 2.npz"]
