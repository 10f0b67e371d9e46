"""Every way this product can fail, one exception type a kind.

An error carries a stable `code`, a process exit code, one sentence for the person, and a hint what to do.
It is raised where the fact is known and shown where the person is: on stderr, in the panel, in the batch summary.
"""

from __future__ import annotations

import errno
from pathlib import Path


class MocapError(Exception):
    """Base of the product's errors.

    Args:
        message: One sentence, for the person.
        hint: What to do about it.
    """

    code = "internal"
    exit_code = 1
    default_hint = "Please report this with the log."

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint

    def as_dict(self) -> dict[str, str]:
        """The fields of a protocol `error` message."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class ArgumentsError(MocapError):
    """The command line or a message is wrong."""

    code, exit_code = "arguments", 2
    default_hint = "Run the command with --help to see what it takes."


class VideoMissingError(MocapError):
    """There is no such file."""

    code, exit_code = "video_missing", 3
    default_hint = "Check the path, and that the drive is connected."


class VideoUnreadableError(MocapError):
    """The file is not a video that can be decoded."""

    code, exit_code = "video_unreadable", 4
    default_hint = "Play it in a video player; if that works, convert it to MP4 (H.264) and try again."


class VideoEmptyError(MocapError):
    """The video, or the part asked for, has no frames."""

    code, exit_code = "video_empty", 5
    default_hint = "Check the start and end of the trim, and that the file was copied completely."


class NoVideoStreamError(MocapError):
    """The file has sound or data but no pictures."""

    code, exit_code = "no_video_stream", 6
    default_hint = "Choose a file that holds pictures, not only sound."


class VideoTooSmallError(MocapError):
    """The picture is too small to hold a person."""

    code, exit_code = "video_too_small", 7
    default_hint = "A person should be at least 60 pixels tall in the picture."


class NobodyFoundError(MocapError):
    """No person was found in any frame."""

    code, exit_code = "nobody_found", 8
    default_hint = "Use a video in which one person is seen from head to foot, in good light."


class TooFewFramesError(MocapError):
    """A person was found in too few frames for a take."""

    code, exit_code = "too_few_frames", 9
    default_hint = "A take needs a person in at least 5 frames; trim to the part where the person is seen."


class PersonMissingError(MocapError):
    """The person asked for is not among those found."""

    code, exit_code = "person_missing", 10
    default_hint = "Run `people VIDEO` to see who was found, or choose `auto`."


class OutputUnwritableError(MocapError):
    """The result cannot be written where it was asked for."""

    code, exit_code = "output_unwritable", 11
    default_hint = "Choose a folder that you may write to."


class DiskFullError(MocapError):
    """The disk is full."""

    code, exit_code = "disk_full", 12
    default_hint = "Free some space or choose another drive, then run it again."


class CancelledError(MocapError):
    """The person stopped it."""

    code, exit_code = "cancelled", 13
    default_hint = ""


class ModelFileError(MocapError):
    """A model file is missing, damaged or of another kind."""

    code, exit_code = "model_file", 14
    default_hint = "Check that this is the model's own file and that it was copied completely."


class BodyFileError(MocapError):
    """A body file is missing, damaged or of another kind."""

    code, exit_code = "body_file", 15
    default_hint = "Choose an SMPL model file (.npz or .pkl) as its publisher ships it, or use the free body."


class TakeFileError(MocapError):
    """A take file is missing, damaged or of another kind."""

    code, exit_code = "take_file", 16
    default_hint = "Choose an .npz take written by this product or in the AMASS layout."


class InferenceMissingError(MocapError):
    """There is no inference environment, or it does not start."""

    code, exit_code = "inference_missing", 17
    default_hint = "Press Set up inference, here or in the add-on's preferences."


class InferenceDiedError(MocapError):
    """The inference process ended without a result."""

    code, exit_code = "inference_died", 18
    default_hint = "Look at the log; if memory ran out, close other programs or trim the video."


class ProtocolError(MocapError):
    """The two processes do not understand each other."""

    code, exit_code = "protocol", 19
    default_hint = (
        "The add-on and the inference environment are of different versions: install them from the same release."
    )


class SomeFailedError(MocapError):
    """Some of several inputs failed."""

    code, exit_code = "some_failed", 20
    default_hint = "The failed files are named above; the others are done."


class DeviceError(MocapError):
    """The device asked for is not there."""

    code, exit_code = "device", 21
    default_hint = "Choose `auto` or `cpu`."


class ExportError(MocapError):
    """A file format could not be written."""

    code, exit_code = "export", 22
    default_hint = "Check the folder, and that the file is not open in another program."


class DataSetError(MocapError):
    """A data set for training or evaluation is missing, damaged or of another layout."""

    code, exit_code = "data_set", 23
    default_hint = "Check the folder given for the data sets."


class PresetError(MocapError):
    """A preset of bones is missing, damaged or of another kind."""

    code, exit_code = "preset", 24
    default_hint = "Choose a preset that this add-on has written."


class RetargetError(MocapError):
    """A rig can't be retargeted to or from: bones that are needed were not found."""

    code, exit_code = "retarget", 25
    default_hint = "Look at the bones in the Retarget panel and name those that are missing."


class LimitError(MocapError):
    """A clip took more time or memory than it may."""

    code, exit_code = "limit", 26
    default_hint = "Capture the clip alone, or raise the limit."


class CameraFileError(MocapError):
    """The camera's path could not be read, or is none."""

    code, exit_code = "camera_file", 28
    default_hint = "Choose the camera again."


class LedgerError(MocapError):
    """The ledger of a farm's folder can't be used."""

    code, exit_code = "ledger", 27
    default_hint = "Check the folder; another program may hold the ledger, or it is damaged."


_KINDS: list[type[MocapError]] = [MocapError, *MocapError.__subclasses__()]
ERROR_TYPES: dict[str, type[MocapError]] = {kind.code: kind for kind in _KINDS}


def from_os_error(error: OSError, path: str | Path) -> MocapError:
    """The product's error for an `OSError` met while writing `path`."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG):
        return DiskFullError(f"The disk is full: {Path(path).name} could not be written.")
    return OutputUnwritableError(f"{path} could not be written: {error.strerror or error}.")


def from_message(message: dict[str, str]) -> MocapError:
    """The error that a protocol `error` message tells of; an unknown code gives the base type."""
    error_type = ERROR_TYPES.get(message.get("code", ""), MocapError)
    return error_type(message.get("message", "The inference process failed."), message.get("hint"))
