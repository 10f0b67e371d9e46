"""The nine data sets of the paper: where their files lie below a root, and what to do where they don't."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from int_blender_addon.core.errors import DataSetError

from .annotations import Annotations
from .readers import read_eft, read_spin_images, read_video_set

Reader = Callable[[str, Path, Path], Annotations]


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Attributes:
        file: Its annotations below the root; the first that is there of several endings.
        images: Folder of its pictures below the root.
        reader: Of the file.
        publisher: Where pictures are had.
        terms: Under which they come.
    """

    file: tuple[str, ...]
    images: str
    reader: Reader
    publisher: str
    terms: str


def _video(stem: str, images: str, publisher: str, terms: str, order: str = "spin") -> DataSet:
    names = tuple(f"{stem}_train_db{ending}" for ending in (".pt", ".npz", ".h5"))
    return DataSet(names, images, partial(read_video_set, order=order), publisher, terms)


RESEARCH = "non-commercial research, on registration"
NON_COMMERCIAL = "non-commercial research"
DATA_SETS: dict[str, DataSet] = {
    "human36m": _video("h36m", "human36m", "http://vision.imar.ro/human3.6m", RESEARCH),
    "mpi_inf_3dhp": _video("mpii3d", "mpi_inf_3dhp", "https://vcai.mpi-inf.mpg.de/3dhp-dataset", NON_COMMERCIAL),
    "3dpw": _video("3dpw", "3dpw", "https://virtualhumans.mpi-inf.mpg.de/3DPW", NON_COMMERCIAL),
    "penn_action": _video("penn", "penn_action", "https://dreamdragon.github.io/PennAction", "research", "penn_action"),
    "posetrack": _video("posetrack", "posetrack", "https://posetrack.net", RESEARCH),
    "instavariety": _video(
        "insta", "instavariety", "https://github.com/akanazawa/human_dynamics", "research", "instavariety"
    ),
    "coco": DataSet(
        ("COCO2014-All-ver01.json",), "coco/train2014", read_eft,
        "https://cocodataset.org, and EFT's fits from https://github.com/facebookresearch/eft", "fits CC BY-NC 4.0",
    ),
    "mpii": DataSet(
        ("MPII_ver01.json",), "mpii/images", read_eft,
        "http://human-pose.mpi-inf.mpg.de, and EFT's fits from https://github.com/facebookresearch/eft",
        "fits CC BY-NC 4.0",
    ),
    "lspet": DataSet(
        ("LSPet_ver01.json", "hr-lspet_train.npz"), "lspet", read_eft,
        "http://sam.johnson.io/research/lspet.html, and EFT's fits from https://github.com/facebookresearch/eft",
        "fits CC BY-NC 4.0",
    ),
}  # fmt: skip


def load_set(name: str, root: Path) -> Annotations:
    """The annotations of a data set.

    Raises:
        DataSetError: Its files are not below `root`: the message says what to get, where, under which terms.
    """
    if name not in DATA_SETS:
        raise DataSetError(f"There is no data set {name}.", f"Known are {', '.join(DATA_SETS)}.")
    known = DATA_SETS[name]
    found = [root / file for file in known.file if (root / file).is_file()]
    if not found:
        raise DataSetError(
            f"The data set {name} is not here: none of {', '.join(known.file)} is in {root}.",
            f"Get it from {known.publisher} ({known.terms}); its pictures go to {root / known.images}.",
        )
    reader = read_spin_images if found[0].name.startswith("hr-lspet") else known.reader
    return reader(name, found[0], root / known.images)
