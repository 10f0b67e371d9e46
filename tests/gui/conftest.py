"""A real Blender with a window, under Xvfb, with the extension installed from its zip in a profile of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "build" / "gui"
# pictures for the guide are made with a video of a presentable name
VIDEO = Path(os.environ.get("GUIDE_VIDEO", ROOT / "tests" / "data" / "videos" / "tfjs_pose_squats.mp4"))
SIZE = (1280, 800)
START_SECONDS = 90


def real_blenders() -> list[str]:
    """Blenders to test in: those that $BLENDERS or $BLENDER names, else on PATH and in the user's cache."""
    named = os.environ.get("BLENDERS") or os.environ.get("BLENDER")
    if named:
        return named.split()
    found = [shutil.which("blender")] if shutil.which("blender") else []
    return found + [str(path) for path in sorted(Path.home().glob(".cache/blender-*/blender"))]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "gui" in Path(str(item.fspath)).parts:
            item.add_marker(pytest.mark.gui)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """An X server of our own."""
    for program in ("Xvfb", "xdotool", "ffmpeg"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    for number in range(80, 100):
        name = f":{number}"
        server = subprocess.Popen(
            ["Xvfb", name, "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24", "+extension", "GLX", "-nolisten", "tcp"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(1.0)
        if server.poll() is None:
            break
    yield name
    server.terminate()
    server.wait()


@pytest.fixture(scope="session")
def zip_file() -> Path:
    """The extension, built by the same command as a release."""
    subprocess.run([sys.executable, str(ROOT / "tasks.py"), "build"], cwd=ROOT, check=True, capture_output=True)
    return max((ROOT / "dist").glob("int_mocap-*.zip"), key=lambda path: path.stat().st_mtime)


class Window:
    """A running Blender, its status file, and hands on its mouse."""

    def __init__(
        self, blender: str, display: str, profile: Path, folder: Path, video: Path, inference: str | None = None
    ) -> None:
        self.display, self.folder = display, folder
        self.status_file, self.commands_file = folder / "status.json", folder / "commands.txt"
        python = os.environ.get("INT_MOCAP_INFERENCE", sys.executable) if inference is None else inference
        self.environment = {
            **os.environ,
            "DISPLAY": display,
            "BLENDER_USER_RESOURCES": str(profile),
            "INT_MOCAP_INFERENCE": python,
            "INT_MOCAP_DATA": str(folder / "own data"),
        }
        self._commands = 0
        self.log = (folder / "blender.log").open("w")
        script = str(Path(__file__).with_name("drive.py"))
        files = [str(path) for path in (self.status_file, self.commands_file, video)]
        self.process = subprocess.Popen(
            [blender, "--window-geometry", "0", "0", str(SIZE[0]), str(SIZE[1]), "--python", script, "--", *files],
            env=self.environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        # the region reaches its size a few redraws after the tab is opened
        self.wait(lambda s: s["tab"] == "INT Mocap" and s["region"][2] > 100, START_SECONDS)
        time.sleep(2.0)
        self._xdotool("mousemove", "400", "400", "key", "Escape")
        time.sleep(0.5)

    @property
    def status(self) -> dict:
        """What the Blender last said."""
        try:
            return json.loads(self.status_file.read_text())
        except FileNotFoundError:
            return {"tab": "", "region": [0, 0, 0, 0], "running": False}

    def wait(self, until: Callable[[dict], bool], seconds: float) -> dict:
        """The first status for which `until` holds; fails after some seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                pytest.fail(f"Blender ended with {self.process.returncode}:\n{self.tail()}")
            status = self.status
            if until(status):
                return status
            time.sleep(0.05)
        self.shot("failed")
        pytest.fail(f"waited {seconds} s in vain; {self.status}\n{self.tail()}")

    def tail(self) -> str:
        """The end of Blender's output."""
        self.log.flush()
        return (self.folder / "blender.log").read_text()[-3000:]

    def say(self, text: str) -> None:
        """Have a line of Python run in there."""
        with self.commands_file.open("a") as file:
            file.write(text + "\n")
        self._commands += 1
        self.wait(lambda s: s["commands"] >= self._commands, 20)

    def click(self, units_below_top: float, across: float = 0.5) -> None:
        """A real click in the panel: so many widget heights (20 pixels at a scale of 1) below the region's top."""
        status = self.status
        x, y, width, height = status["region"]
        from_top = SIZE[1] - (y + height) + units_below_top * 20 * status["unit"]
        self._xdotool("mousemove", str(int(x + across * (width - 30))), str(int(from_top)))
        time.sleep(0.3)
        self._xdotool("click", "1")

    def away(self) -> None:
        """The mouse off the panel and a click on nothing, so that Blender's pop-ups close."""
        self._xdotool("mousemove", "400", "600")
        time.sleep(0.5)
        self._xdotool("click", "1")
        time.sleep(0.5)

    def key(self, combination: str) -> None:
        """A real key press over the 3D View."""
        self._xdotool("mousemove", "300", "400")
        time.sleep(0.2)
        self._xdotool("key", combination)

    def _xdotool(self, *words: str) -> None:
        subprocess.run(["xdotool", *words], env=self.environment, check=True)

    def shot(self, name: str) -> Path:
        """A picture of the screen in build/gui/."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        version = self.status.get("version", "x").replace(" ", "_")
        path = SHOTS / f"{version}_{name}.png"
        grab = ["ffmpeg", "-loglevel", "error", "-y", "-f", "x11grab", "-video_size", f"{SIZE[0]}x{SIZE[1]}"]
        subprocess.run([*grab, "-i", self.display, "-frames:v", "1", str(path)], check=False)
        return path

    def close(self) -> None:
        """End it and whatever it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()


@pytest.fixture(params=real_blenders() or [None], ids=lambda b: Path(b).parent.name if b else "none", scope="module")
def blender(request) -> str:
    """A real Blender's path."""
    if request.param is None:
        pytest.skip("no real Blender: set BLENDER")
    return request.param


@pytest.fixture(scope="module")
def profile(blender: str, zip_file: Path, tmp_path_factory) -> Path:
    """A user's profile, in a path with a space, with the extension installed from its zip and enabled."""
    folder = tmp_path_factory.mktemp("profile") / "my settings"
    folder.mkdir()
    command = [blender, "--command", "extension", "install-file", "-r", "user_default", "-e", str(zip_file)]
    done = subprocess.run(
        command,
        env={**os.environ, "BLENDER_USER_RESOURCES": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def open_window(blender: str, display: str, profile: Path, tmp_path: Path):
    """Open a Blender on a video; closed in the end."""
    opened: list[Window] = []

    def open_(video: Path = VIDEO, inference: str | None = None) -> Window:
        opened.append(Window(blender, display, profile, tmp_path, video, inference))
        return opened[-1]

    yield open_
    for window in opened:
        window.close()
