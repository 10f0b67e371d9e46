"""Takes, bodies, messages and errors: whole or refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from int_blender_addon.core import errors
from int_blender_addon.core.body import RestBody, load_free_body
from int_blender_addon.core.errors import (
    ERROR_TYPES,
    BodyFileError,
    MocapError,
    OutputUnwritableError,
    ProtocolError,
    TakeFileError,
    from_message,
)
from int_blender_addon.core.files import replacing, save_npz
from int_blender_addon.core.motion import Motion, load_motion, save_motion
from int_blender_addon.core.protocol import PROTOCOL, check_hello, decode, encode


def motion(frames: int = 12) -> Motion:
    rng = np.random.default_rng(0)
    return Motion(
        poses=rng.normal(size=(frames, 72)),
        trans=rng.normal(size=(frames, 3)),
        betas=rng.normal(size=10),
        joints=rng.normal(size=(frames, 24, 3)),
        frame_index=np.arange(frames) * 2,
        time=np.arange(frames) / 29.97,
        fps=29.97,
        confidence=rng.random(frames),
        bridged=np.arange(frames) % 5 == 0,
        contacts=rng.random((frames, 4)),
        K=np.eye(3) * 900,
        world_to_camera=np.eye(4),
        image_size=np.array([1920, 1080]),
        person_id=3,
    )


def test_a_take_comes_back_as_it_went(tmp_path: Path) -> None:
    path = tmp_path / "tâke 1.npz"
    take = motion()
    save_motion(path, take)
    again = load_motion(path)
    for name in ("poses", "trans", "betas", "joints", "confidence", "contacts"):
        assert np.allclose(getattr(again, name), getattr(take, name), atol=1e-6), name
    assert (again.frame_index == take.frame_index).all() and (again.bridged == take.bridged).all()
    assert np.array_equal(again.time, take.time) and again.fps == 29.97 and again.person_id == 3
    with np.load(path, allow_pickle=False) as data:
        wanted = "poses trans betas gender mocap_framerate joints joint_names fps frame_index time confidence bridged"
        wanted += " contacts K world_to_camera image_size person_id model body version"
        assert set(wanted.split()) <= set(data.files)


def test_amass_files_are_takes(tmp_path: Path) -> None:
    path = tmp_path / "amass.npz"
    np.savez(path, poses=np.zeros((5, 156)), trans=np.zeros((5, 3)), betas=np.zeros(16), mocap_framerate=120.0)
    take = load_motion(path)
    assert take.poses.shape == (5, 72) and take.fps == 120.0 and len(take.betas) == 10


@pytest.mark.parametrize("what", ["missing", "empty", "text", "truncated", "pickled", "no poses", "nan", "later"])
def test_bad_takes_are_refused_with_a_sentence(tmp_path: Path, what: str) -> None:
    path = tmp_path / "take.npz"
    save_motion(path, motion())
    if what == "missing":
        path.unlink()
    elif what == "empty":
        path.write_bytes(b"")
    elif what == "text":
        path.write_text("hello")
    elif what == "truncated":
        path.write_bytes(path.read_bytes()[:-300])
    elif what == "pickled":
        np.savez(path, poses=np.array([{}], dtype=object), trans=np.zeros((1, 3)))
    elif what == "no poses":
        np.savez(path, trans=np.zeros((1, 3)))
    elif what == "nan":
        np.savez(path, poses=np.full((2, 72), np.nan), trans=np.zeros((2, 3)), mocap_framerate=30.0)
    elif what == "later":
        with np.load(path) as data:
            np.savez(path, **{**dict(data), "version": np.array(99)})
    with pytest.raises(TakeFileError) as caught:
        load_motion(path)
    assert "take.npz" in caught.value.message


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(tmp_path_factory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("x") / "take.npz"
    path.write_bytes(content)
    with pytest.raises(TakeFileError):
        load_motion(path)


def test_bodies_come_back_and_bad_ones_are_refused(tmp_path: Path) -> None:
    body = load_free_body().rest(np.ones(10) * 0.5)
    body.save(tmp_path / "body.npz")
    again = RestBody.load(tmp_path / "body.npz")
    assert np.allclose(again.vertices, body.vertices, atol=1e-6) and np.allclose(again.joints, body.joints)
    np.savez(tmp_path / "bad.npz", vertices=np.zeros((3, 3)))
    with pytest.raises(BodyFileError):
        RestBody.load(tmp_path / "bad.npz")


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), replacing(target) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]
    with replacing(target) as aside:
        aside.write_text("new")
    assert target.read_text() == "new" and list(tmp_path.iterdir()) == [target]


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnwritableError):
        save_npz(tmp_path / "file" / "x.npz", {"a": np.zeros(2)})


@given(st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
def test_messages_are_one_line_each(text: str, number: int, value: float) -> None:
    line = encode("log", text=text, id=number, value=value)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert decode(line) == {"type": "log", "text": text, "id": number, "value": value}


@given(st.binary())
def test_what_is_no_message_is_none(line: bytes) -> None:
    message = decode(line)
    assert message is None or isinstance(message["type"], str)


def test_other_protocols_are_refused() -> None:
    check_hello({"type": "hello", "protocol": PROTOCOL})
    for bad in ({"type": "hello", "protocol": 99}, {"type": "hello"}, {"type": "log"}):
        with pytest.raises(ProtocolError):
            check_hello(bad)


def test_every_kind_of_error_has_a_code_of_its_own_and_travels() -> None:
    kinds = [MocapError, *MocapError.__subclasses__()]
    assert len({kind.code for kind in kinds}) == len(kinds) == len(ERROR_TYPES)
    assert len({kind.exit_code for kind in kinds}) == len(kinds) and 0 not in {kind.exit_code for kind in kinds}
    for kind in kinds:
        sent = json.loads(json.dumps(kind("What happened.").as_dict()))
        again = from_message(sent)
        assert type(again) is kind and again.message == "What happened." and again.hint == kind("x").hint
    assert errors.from_message({"code": "from the future", "message": "m"}).exit_code == 1
