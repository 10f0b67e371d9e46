"""The authors' files: what is read, what is refused, what is named."""

import pickle
from pathlib import Path

import parity
import pytest
import torch

from inference_server.weights.authors import from_state_dict, load_checkpoint
from int_blender_addon.core.errors import ModelFileError


@pytest.mark.parametrize("name", ["plain", "module"])
def test_envelopes_of_the_authors_open_and_lack_keys_by_name(name: str) -> None:
    """The envelopes hold a few keys alone: they must open, and the missing ones must be named."""
    checkpoint = load_checkpoint(parity.ROOT / "tests" / "golden" / f"envelope_{name}.pth.tar")
    assert checkpoint.state and not any(key.startswith(("module.", "smpl.")) for key in checkpoint.state)
    with pytest.raises(ModelFileError, match=r"missing: .*more"):
        checkpoint.model()


def test_keys_are_named(golden: parity.Golden) -> None:
    checkpoint = parity.checkpoint_of(golden, "main")
    state = checkpoint.state
    state["nonsense.weight"] = torch.zeros(1)
    state["shape_head.weight"] = torch.zeros(3, 3)
    del state["joint_head.bias"]
    with pytest.raises(ModelFileError) as caught:
        checkpoint.model()
    for word in ("joint_head.bias", "nonsense.weight", "shape_head.weight (3, 3)"):
        assert word in caught.value.message


def test_smpl_buffers_are_left_out_and_prefixes_taken_off(golden: parity.Golden) -> None:
    state = {"module.smpl.v_template": torch.zeros(3), "module.joint3d_tokens": torch.zeros(1, 24, 768)}
    checkpoint = from_state_dict(state)
    assert list(checkpoint.state) == ["joint_tokens"] and checkpoint.ignored == ["smpl.v_template"]


class Evil:
    def __reduce__(self):
        return print, ("this must not run",)


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name, content in (("a.pth", {"state_dict": {}, "x": Evil()}),):
        torch.save(content, tmp_path / name)
        with pytest.raises(ModelFileError, match="more than weights"):
            load_checkpoint(tmp_path / name)
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelFileError):
        load_checkpoint(tmp_path / "b.pth")
    assert "must not run" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(50)])
def test_damaged_files_are_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"x\.pth"):
        load_checkpoint(path)
    with pytest.raises(ModelFileError, match="no checkpoint"):
        load_checkpoint(tmp_path / "none.pth")
