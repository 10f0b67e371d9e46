"""Frame times from container timestamps: seconds from the first frame, always rising."""

from __future__ import annotations

from fractions import Fraction

REBASE_SECONDS = 1.0  # a step back by more than this is a new time base (a wrapped or restarted clock)


class Clock:
    """Turns the presentation timestamps of frames, in the order they are shown, into seconds.

    A missing timestamp continues at the nominal rate. A repeated one, or a small step back, is moved just behind the
    frame before it. After a large step back the time goes on from where it was.

    Args:
        fps: Nominal frames per second.
    """

    def __init__(self, fps: float) -> None:
        self._period = 1.0 / fps
        self._origin: float | None = None  # seconds that are subtracted from every timestamp
        self._last = -self._period

    def tick(self, pts: int | None, time_base: Fraction | None) -> float:
        """Seconds from the first frame to the next frame, whose timestamp is `pts` in units of `time_base`."""
        if pts is None or time_base is None:
            time = self._last + self._period
        else:
            seconds = float(pts * time_base)
            if self._origin is None:
                self._origin = seconds - (self._last + self._period)
            time = seconds - self._origin
            if time < self._last - REBASE_SECONDS:
                time = self._last + self._period
                self._origin = seconds - time
            elif time <= self._last:
                time = self._last + 0.1 * self._period
        self._last = time
        return time
