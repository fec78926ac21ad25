"""FGVC6's raw files: where they lie, and what label_descriptions.json says.

Source: https://www.kaggle.com/c/imaterialist-fashion-2019-FGVC6/data
"""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fgvc6Paths:
    """Where the raw files lie.

    Attributes:
        train_csv: one row a mask.
        label_descriptions: names of categories and attributes.
        train_dir: the annotated photos.
        test_dir: photos without annotations; None: not there.
    """

    train_csv: Path
    label_descriptions: Path
    train_dir: Path
    test_dir: Path | None

    @property
    def files(self) -> list[Path]:
        """The files and folders themselves."""
        paths = [self.train_csv, self.label_descriptions, self.train_dir]
        return paths if self.test_dir is None else [*paths, self.test_dir]


@dataclass(frozen=True)
class Labels:
    """What label_descriptions.json says.

    Attributes:
        category_names: index is FGVC6's category id, from 0.
        attribute_names: by FGVC6's attribute id.
    """

    category_names: tuple[str, ...]
    attribute_names: dict[int, str]


def find_raw_files(raw_dir: Path | None) -> Fgvc6Paths:
    """Finds the files of the folder that holds train.csv.

    Raises:
        ValueError: One of them is missing.
    """
    if raw_dir is None or not raw_dir.is_dir():
        raise ValueError(
            f"{raw_dir or '--raw_dir'}: no such folder; give the folder that holds FGVC6's "
            "train.csv."
        )
    test_dir = raw_dir / "test"
    paths = Fgvc6Paths(
        train_csv=raw_dir / "train.csv",
        label_descriptions=raw_dir / "label_descriptions.json",
        train_dir=raw_dir / "train",
        test_dir=test_dir if test_dir.is_dir() else None,
    )
    for path in (paths.train_csv, paths.label_descriptions):
        if not path.is_file():
            below = next((found.parent for found in sorted(raw_dir.glob("*/train.csv"))), None)
            hint = f" {below} has a train.csv: is that the folder?" if below else ""
            raise ValueError(
                f"{path}: no such file; expected FGVC6's files in --raw_dir as in "
                f"data_prep/datasets/fgvc6/README.md.{hint}"
            )
    if not paths.train_dir.is_dir():
        raise ValueError(f"{paths.train_dir}: no such folder; unpack train.zip there.")
    return paths


def read_labels(path: Path) -> Labels:
    """Reads label_descriptions.json.

    Raises:
        ValueError: It is not json or its categories are not numbered from 0.
    """
    # {"info": {...}, "categories": [{"id": 0, "name": "shirt, blouse", ...}], "attributes": [...]}
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not valid json ({error}); download it again.") from error
    category_names = _names(path, contents, "categories")
    if sorted(category_names) != list(range(len(category_names))) or not category_names:
        raise ValueError(
            f"{path}: got the category ids {sorted(category_names)[:5]}..., expected 0, 1, 2, ... "
            "without a gap; download it again."
        )
    ordered = tuple(category_names[i] for i in range(len(category_names)))
    return Labels(ordered, _names(path, contents, "attributes"))


def _names(path: Path, contents: object, key: str) -> dict[int, str]:
    entries = contents.get(key) if isinstance(contents, dict) else None
    names: dict[int, str] = {}
    for entry in entries if isinstance(entries, list) else [None]:
        known = entry if isinstance(entry, dict) else {}
        entry_id, name = known.get("id"), known.get("name")
        if not isinstance(name, str) or type(entry_id) is not int or entry_id in names:
            raise ValueError(
                f"{path}: got {str(entry)[:60]} in '{key}', expected a list of "
                '{"id": integer, "name": text}, each id once; download it again.'
            )
        names[entry_id] = name
    if len(set(names.values())) < len(names):
        raise ValueError(f"{path}: a name stands twice in '{key}', expected each once.")
    return names
