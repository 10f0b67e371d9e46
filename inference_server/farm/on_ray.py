"""Places on a Ray cluster: an actor each, on whichever node has room. The ledger stays with the driver.

Videos and the output folder must lie where every node sees them under the same path: what goes through Ray is the
request and a few numbers, never a picture.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from int_blender_addon.core.errors import ArgumentsError, InferenceDiedError

from .worker import Limits, Outcome, Worker

START_SECONDS = 30.0
LOOK_SECONDS = 5.0


def _ray():
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is told to anybody
    try:
        import ray
    except ImportError as error:
        raise ArgumentsError("Ray is not installed here.", "pip install ray, or run with --address local.") from error
    return ray


def _check_port(address: str) -> None:
    """Ray itself waits for minutes before it says that nobody is there."""
    host, _, port = address.partition(":")
    if not port:
        return
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        sentence = f"There is no Ray cluster at {address}: {error}."
        raise ArgumentsError(sentence, "Start one with `ray start --head`.") from error


class Answering:
    """What an actor is: a worker that can be asked how far it is while it works."""

    def __init__(self, limits: Limits) -> None:
        self._worker = Worker(Path(sys.executable), limits, {"OMP_NUM_THREADS": "1"})
        self._stopped = False

    def run(self, kind: str, values: dict[str, Any]) -> Outcome:
        """Have one request answered."""
        self._stopped = False
        return self._worker.run(kind, values, lambda: self._stopped)

    def stop(self) -> None:
        """Leave off."""
        self._stopped = True

    def frames(self) -> int:
        """Frames done of the request that runs."""
        return self._worker.frames

    def node(self) -> str:
        """The node that it is on."""
        return _ray().get_runtime_context().get_node_id()[:8]

    def close(self) -> None:
        """End its process."""
        self._worker.close()


class RayPlace:
    """A place held by an actor; lost with it, and then its pool looks for another."""

    def __init__(self, pool: Pool, actor: Any, node: str, gpu: bool) -> None:
        self._pool, self._actor, self.node, self.gpu = pool, actor, node, gpu
        self._frames, self._asked, self.lost = 0, 0.0, False

    def run(self, kind: str, values: dict[str, Any], stopped: Callable[[], bool]) -> Outcome:
        """Have one request answered."""
        ray = _ray()
        try:
            answer = self._actor.run.remote(kind, values)
            told = False
            while True:
                ready, _ = ray.wait([answer], timeout=0.3)
                if ready:
                    return ray.get(answer)
                if stopped() and not told:
                    told = True
                    self._actor.stop.remote()
                self._look(ray)
        except ray.exceptions.RayError as error:
            self.lost = True
            self._pool.gone()
            lost = InferenceDiedError(f"The node {self.node} was lost ({type(error).__name__}).")
            return Outcome(error=lost.as_dict(), died=True)

    def _look(self, ray) -> None:
        if time.monotonic() - self._asked > LOOK_SECONDS:
            self._asked = time.monotonic()
            self._frames = ray.get(self._actor.frames.remote(), timeout=LOOK_SECONDS)

    @property
    def frames(self) -> int:
        """Frames done of the request that runs, as of a moment ago."""
        return self._frames

    def close(self) -> None:
        """End the actor and its process."""
        ray = _ray()
        with contextlib.suppress(ray.exceptions.RayError):
            ray.get(self._actor.close.remote(), timeout=10)
        ray.kill(self._actor)


class Pool:
    """The cluster, as a source of places.

    Args:
        address: `auto`, or HOST:PORT.
        limits: Of each request.
        checkpoint: Whether captures use an INT checkpoint, which wants GPUs where there are any.

    Raises:
        ArgumentsError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, address: str, limits: Limits, checkpoint: bool) -> None:
        ray = _ray()
        _check_port(address)
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", ignore_reinit_error=True)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ArgumentsError(
                f"There is no Ray cluster at {address}: {error}.", "Start one with `ray start`."
            ) from error
        self._limits, self._checkpoint = limits, checkpoint
        self._lock = threading.Lock()
        self._count, self._most = 0, 0
        self._looked = time.monotonic()

    def places(self, most: int | None) -> list[RayPlace]:
        """A place for each processor (or GPU) of the cluster, at most so many."""
        self._most = most or 0
        found = []
        for gpu in self._wanted():
            held = self.actor(gpu)
            if held is not None:
                self._count += 1
                found.append(RayPlace(self, *held, gpu))
        if not found:
            raise ArgumentsError("The cluster has no room for a place.", "See `ray status`.")
        return found

    def newcomers(self) -> list[RayPlace]:
        """Places on nodes that joined."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return []
        self._looked = time.monotonic()
        missing = len(self._wanted()) - self._count
        found = []
        for _ in range(max(0, missing)):
            held = self.actor(False)
            if held is None:
                break  # its processors are lent to others
            self._count += 1
            found.append(RayPlace(self, *held, False))
        return found

    def gone(self) -> None:
        """A place was lost."""
        with self._lock:
            self._count -= 1

    def _wanted(self) -> list[bool]:
        resources = _ray().cluster_resources()
        gpus = int(resources.get("GPU", 0)) if self._checkpoint else 0
        kinds = [True] * gpus + [False] * max(0, int(resources.get("CPU", 0)) - gpus)
        return kinds[: self._most] if self._most else kinds

    def actor(self, gpu: bool) -> tuple[Any, str] | None:
        """A new actor and its node, or None if there was no room for it in time."""
        ray = _ray()
        made = ray.remote(Answering).options(
            num_cpus=1, num_gpus=1 if gpu else 0, max_concurrency=4, scheduling_strategy="SPREAD"
        ).remote(self._limits)  # fmt: skip
        try:
            return made, ray.get(made.node.remote(), timeout=START_SECONDS)
        except ray.exceptions.RayError:
            ray.kill(made)
            return None

    def close(self) -> None:
        """Leave the cluster."""
        _ray().shutdown()
