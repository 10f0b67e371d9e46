"""Motion-capture files as small as can be, and what becomes of them."""

from pathlib import Path

import numpy as np
import pytest

from inference_server.train.mocap.asf import read_amc, read_asf
from inference_server.train.mocap.bvh import read_bvh
from inference_server.train.mocap.catalog import Clip, clean, load_clips, mirrored, save_clips, share_twist
from inference_server.train.mocap.transfer import MocapClip
from int_blender_addon.core.body import load_free_body
from int_blender_addon.core.rotations import axis_angle_to_matrix, matrix_to_quaternion
from int_blender_addon.core.skeleton import JOINT_INDEX, forward_kinematics

BVH = """HIERARCHY
ROOT hip
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT knee
  {
    OFFSET 0 -2 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 -1 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.02
1 5 0 0 0 0 0 0 0
1 5 0 90 0 0 0 90 0
"""
ASF = """:version 1.10
:name one
:root
   order TX TY TZ RX RY RZ
:bonedata
  begin
     id 1
     name lfemur
     direction 0 -1 0
     length 2
     axis 0 0 20 XYZ
     dof rx ry rz
  end
  begin
     id 2
     name ltibia
     direction 0 -1 0
     length 1
     axis 0 0 0 XYZ
     dof rx
  end
:hierarchy
  begin
    root lfemur
    lfemur ltibia
  end
"""
AMC = "#!OML\n:FULLY-SPECIFIED\n:DEGREES\n1\nroot 0 5 0 0 0 0\nlfemur 0 0 0\nltibia 90\n"


def test_bvh_turns_about_the_axes_in_the_files_order(tmp_path: Path) -> None:
    path = tmp_path / "a.bvh"
    path.write_text(BVH)
    recording = read_bvh(path)
    assert recording.fps == pytest.approx(50.0) and recording.names == ("hip", "knee")
    assert recording.reference[1] == pytest.approx([0, -2, 0])
    assert recording.starts[0, 1] == pytest.approx([1, 3, 0])
    assert recording.starts[1, 1] == pytest.approx([3, 5, 0])  # a quarter turn about z takes -y to x
    assert recording.turns[1, 1] @ [0, -1, 0] == pytest.approx([0, 0, -1])


def test_acclaim_turns_in_the_bones_own_axes(tmp_path: Path) -> None:
    (tmp_path / "1.asf").write_text(ASF)
    (tmp_path / "1_1.amc").write_text(AMC)
    recording = read_amc(tmp_path / "1_1.amc", read_asf(tmp_path / "1.asf"), 120.0)
    knee = recording.bone("ltibia")
    assert recording.starts[0, knee] == pytest.approx([0, 3, 0])
    assert recording.turns[0, knee] @ [0, -1, 0] == pytest.approx([0, 0, -1])


@pytest.mark.parametrize("text", ["", "HIERARCHY", BVH.replace("1 5 0 90 0 0 0 90 0", "1 2 3")])
def test_damaged_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.bvh"
    path.write_text(text)
    with pytest.raises((ValueError, StopIteration)):
        read_bvh(path)


def walking(frames: int = 60, fps: float = 60.0) -> Clip:
    vectors = np.zeros((frames, 24, 3))
    swing = np.sin(np.arange(frames) / fps * 6)
    vectors[:, JOINT_INDEX["left_hip"], 0], vectors[:, JOINT_INDEX["right_hip"], 0] = 0.5 * swing, -0.5 * swing
    vectors[:, JOINT_INDEX["left_wrist"], 0] = 0.8
    quaternions = matrix_to_quaternion(axis_angle_to_matrix(vectors)).astype(np.float32)
    root = np.stack([np.zeros(frames), np.full(frames, 0.9), np.arange(frames) / fps], axis=-1)
    return Clip("01_01", "01", "amc", fps, quaternions, root.astype(np.float32))


def joints_of(clip: Clip) -> np.ndarray:
    rest = load_free_body().rest_joints(np.zeros(10))
    from int_blender_addon.core.body import rest_offsets

    return forward_kinematics(clip.rotations, rest_offsets(rest))[1] + clip.root[:, None]


def test_a_mirrored_clip_is_the_mirror_image() -> None:
    from int_blender_addon.core.skeleton import MIRROR

    clip = walking()
    seen = joints_of(clip) * [-1, 1, 1]
    assert np.abs(joints_of(mirrored(clip)) - seen[:, MIRROR]).max() < 5e-3  # the body is nearly symmetric
    twice = mirrored(mirrored(clip))
    assert np.allclose(twice.quaternions, clip.quaternions) and np.allclose(twice.root, clip.root)


def test_the_forearm_carries_half_the_wrists_twist_and_the_hand_stays() -> None:
    clip = walking()
    shared = share_twist(clip.quaternions.astype(float))
    turned = Clip(clip.name, clip.subject, clip.source, clip.fps, shared.astype(np.float32), clip.root)
    assert np.abs(joints_of(turned) - joints_of(clip)).max() < 5e-3
    angle = 2 * np.arccos(np.clip(shared[:, JOINT_INDEX["left_wrist"], 0], -1, 1))
    assert angle == pytest.approx(0.4, abs=1e-3)


def test_cleaning_cuts_at_glitches_thins_and_puts_the_soles_on_the_floor() -> None:
    clip = walking(240, 120.0)
    rotations, root = clip.rotations, clip.root.astype(float) + np.array([0, 3, 0])
    rotations[100:, JOINT_INDEX["left_elbow"]] = axis_angle_to_matrix(np.array([0, 2.5, 0]))
    pieces = clean(MocapClip("01_01", "amc", 120.0, rotations, root), load_free_body())
    assert [piece.name for piece in pieces] == ["01_01", "01_01+1"]
    assert all(piece.fps == 60.0 for piece in pieces)
    assert sum(len(piece.root) for piece in pieces) == 120
    assert all(abs(piece.root[:, 1].mean() - 0.95) < 0.12 for piece in pieces)


def test_a_cache_comes_back(tmp_path: Path) -> None:
    clips = [walking(30), mirrored(walking(40))]
    save_clips(tmp_path / "cache.npz", clips)
    back = load_clips(tmp_path / "cache.npz")
    assert [len(c.root) for c in back] == [30, 40]
    assert np.array_equal(back[1].quaternions, clips[1].quaternions)
