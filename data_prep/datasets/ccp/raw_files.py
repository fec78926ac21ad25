"""Clothing Co-Parsing's raw files: where they lie, and what its labels are to us.

Source: https://github.com/bearpaw/clothing-co-parsing
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io

LABELS_TABLE_PATH = Path(__file__).parent / "labels.csv"


@dataclass(frozen=True)
class CcpPaths:
    """Where the raw files lie.

    Attributes:
        label_list: label_list.mat, the labels' names.
        photos_dir: NNNN.jpg.
        pixel_dir: NNNN.mat, a label for every pixel.
        tags_dir: NNNN.mat, the labels of photos without pixels; None: not there.
    """

    label_list: Path
    photos_dir: Path
    pixel_dir: Path
    tags_dir: Path | None

    @property
    def files(self) -> list[Path]:
        """The files and folders themselves."""
        paths = [self.label_list, self.photos_dir, self.pixel_dir, LABELS_TABLE_PATH]
        return paths if self.tags_dir is None else [*paths, self.tags_dir]


@dataclass(frozen=True)
class LabelRule:
    """What one label becomes (a line of labels.csv).

    Attributes:
        category: by the chosen set of categories; None where it is left out.
        num_instances: 1: all its pixels are one garment. 2: its two largest pieces are two, as
            of shoes.
    """

    category: str | None
    num_instances: int


def find_raw_files(raw_dir: Path | None) -> CcpPaths:
    """Finds the files of a checkout of the repository, or of a part of it.

    Raises:
        ValueError: One of them is missing.
    """
    if raw_dir is None or not raw_dir.is_dir():
        raise ValueError(
            f"{raw_dir or '--raw_dir'}: no such folder; give the folder that holds Clothing "
            "Co-Parsing's photos/ and annotations/ (data_prep.download --dataset=ccp fetches it)."
        )
    tags_dir = raw_dir / "annotations" / "image-level"
    paths = CcpPaths(
        label_list=raw_dir / "label_list.mat",
        photos_dir=raw_dir / "photos",
        pixel_dir=raw_dir / "annotations" / "pixel-level",
        tags_dir=tags_dir if tags_dir.is_dir() else None,
    )
    for path in (paths.label_list, paths.photos_dir, paths.pixel_dir):
        if not path.exists():
            below = next((found.parent for found in sorted(raw_dir.glob("*/label_list.mat"))), None)
            hint = f" {below} has a label_list.mat: is that the folder?" if below else ""
            raise ValueError(
                f"{path}: not there; expected Clothing Co-Parsing's files in --raw_dir as in "
                f"data_prep/datasets/ccp/README.md.{hint}"
            )
    return paths


def read_mat(path: Path, name: str) -> np.ndarray:
    """Reads one variable of a MATLAB 5 file.

    Raises:
        ValueError: The file is missing, damaged or has no such variable.
    """
    try:
        contents = scipy.io.loadmat(path, variable_names=[name])
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file.") from None
    except Exception as error:  # scipy raises whatever its parser stumbles over
        raise ValueError(f"{path}: not a MATLAB file, or damaged ({error}).") from None
    if name not in contents:
        raise ValueError(f"{path}: has no variable {name!r}; is it Clothing Co-Parsing's?")
    return contents[name]


def read_label_names(path: Path) -> tuple[str, ...]:
    """Reads label_list.mat: names by label, 0 is "null".

    Raises:
        ValueError: It is not what it should be.
    """
    names = tuple(
        str(cell[0]) if len(cell) else "" for cell in read_mat(path, "label_list").ravel()
    )
    if not names or names[0] != "null":
        raise ValueError(f"{path}: got the labels {names[:3]}, expected 'null' first.")
    return names


def read_label_rules(categories: str) -> dict[str, LabelRule]:
    """Reads labels.csv.

    Args:
        categories: "modanet" or "own".

    Returns:
        By label name, "null" left out.
    """
    with LABELS_TABLE_PATH.open(encoding="utf-8", newline="") as file:
        return {
            row["ccp_label"]: LabelRule(
                row[f"{categories}_category"] or None, int(row["instances"])
            )
            for row in csv.DictReader(file)
        }
