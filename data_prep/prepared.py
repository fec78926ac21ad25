"""A prepared data set on disk: where its files lie and what is in it.

Light: imports neither TensorFlow nor TensorFlow Datasets.
"""

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path

REPORT_NAME = "prep_report.json"
TAGS_NAME = "tags.json"  # {"0001.jpg": ["bag", "top"]}: categories in photos without instances
_LONGEST_NAME = 100  # of a data set or split: files are named after them
_DATASET_INFO_NAME = "dataset_info.json"
# A record's `attributes` of an instance that is annotated and has none; "": not annotated.
NO_ATTRIBUTES = "none"
INCOMPLETE = "incomplete."  # TFDS's prefix for a folder it is still writing


CATEGORY_MAP_PATH = Path(__file__).parent / "datasets" / "combined" / "category_map.csv"


def category_map() -> dict[str, str | None]:
    """FGVC6's categories in ModaNet's terms, the table combined/category_map.csv.

    Returns:
        ModaNet's name by FGVC6's; None where ModaNet has none (parts such as sleeve or zipper).
    """
    with CATEGORY_MAP_PATH.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["fgvc6_category"]: row["modanet_category"] or None for row in rows}


def ground_truth_name(split: str) -> str:
    """The file name of a split's COCO ground truth."""
    return f"instances_{split}.json"


def build_state(options: dict, raw_files: list[Path]) -> dict:
    """What prep_report.json keeps to tell whether a data set is up to date.

    Args:
        options: the choices the data set depends on.
        raw_files: whose names, sizes (bytes) and times of change (ns) stand for their contents.
    """
    states = [(path.name, path.stat()) for path in raw_files]
    return {
        "options": options,
        "raw_files": [
            {"name": name, "num_bytes": state.st_size, "mtime_ns": state.st_mtime_ns}
            for name, state in states
        ],
    }


@dataclass(frozen=True)
class PreparedDataset:
    """A complete prepared data set.

    Attributes:
        path: the version's folder.
        name: such as "modanet".
        category_names: index 0 is category id 1.
        splits: those with at least one example.
        max_num_instances: of one image, over all splits; crowds count.
        fingerprint: sha256 of all examples and the category names, as hex; equal data sets have
            equal ones, whatever the number of shards.
        max_num_ignored: crowds of one image; 0 too for sets built before they were counted.
        attribute_names: by attribute id, ascending; empty where the data set has no attributes.
        category_attributes: attribute ids, ascending, by the category id whose instances may have
            them; None: built before this was written down.
    """

    path: Path
    name: str
    category_names: tuple[str, ...]
    splits: tuple[str, ...]
    max_num_instances: int
    fingerprint: str
    _shard_lengths: dict[str, tuple[int, ...]]
    max_num_ignored: int = 0
    attribute_names: dict[int, str] = field(default_factory=dict)
    category_attributes: dict[int, tuple[int, ...]] | None = None

    @property
    def report_path(self) -> Path:
        """prep_report.json: what was kept, put right and left out."""
        return self.path / REPORT_NAME

    def num_examples(self, split: str) -> int:
        """Counts the images of a split.

        Raises:
            ValueError: There is no such split.
        """
        return sum(self._lengths(split))

    def record_paths(self, split: str) -> list[str]:
        """The TFRecord shards of a split, in order.

        Raises:
            ValueError: There is no such split.
        """
        num_shards = len(self._lengths(split))
        return [
            str(self.path / f"{self.name}-{split}.tfrecord-{index:05d}-of-{num_shards:05d}")
            for index in range(num_shards)
        ]

    def ground_truth_path(self, split: str) -> Path:
        """The COCO json of a split, made from the same records.

        Raises:
            ValueError: There is no such split.
        """
        self._lengths(split)
        return self.path / ground_truth_name(split)

    def _lengths(self, split: str) -> tuple[int, ...]:
        if split not in self._shard_lengths:
            raise ValueError(
                f"{self.path}: no split '{split}' or it is empty; expected one of "
                f"{', '.join(self.splits)}."
            )
        return self._shard_lengths[split]


def open_prepared(data_dir: str | Path, dataset: str | None = None) -> PreparedDataset:
    """Finds the one complete prepared data set in or below a folder.

    Args:
        data_dir: what was --data_dir of data_prep.build_tfrecords, or the version's folder itself.
        dataset: its name, needed where data_dir holds several.

    Raises:
        ValueError: The folder is missing, holds none or several, or one that is not whole.
    """
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        raise ValueError(
            f"{data_dir}: no such folder; expected a prepared data set, make one with "
            "python -m data_prep.build_tfrecords."
        )
    found = [path for path in _version_dirs(data_dir) if dataset in (None, path.parent.name)]
    if not found:
        wanted = f"prepared data set '{dataset}'" if dataset else "prepared data set"
        if any(map(_is_incomplete, (data_dir, *data_dir.glob("*"), *data_dir.glob("*/*")))):
            raise ValueError(
                f"{data_dir}: the {wanted} is incomplete: its build has not ended or was killed; "
                "run data_prep.build_tfrecords again."
            )
        raise ValueError(
            f"{data_dir}: no {wanted} here; make one with python -m data_prep.build_tfrecords "
            "--data_dir, or check the path."
        )
    if len(found) > 1:
        listed = ", ".join(str(path.relative_to(data_dir)) for path in found)
        differ = len({path.parent.name for path in found}) > 1
        how = "choose one with --dataset=NAME, or give" if differ else "give"
        raise ValueError(
            f"{data_dir}: several prepared data sets ({listed}); {how} the folder of one of them."
        )
    return _open_version(found[0])


def dataset_names(data_dir: str | Path) -> set[str]:
    """The names of the complete prepared data sets in or below a folder."""
    return {path.parent.name for path in _version_dirs(Path(data_dir))}


def _version_dirs(data_dir: Path) -> list[Path]:
    data_dir = data_dir.absolute()
    below = [path for path in data_dir.glob("*") if not path.name.startswith(".")]
    candidates = [data_dir, *below, *(path for folder in below for path in folder.glob("*"))]
    return sorted(
        path
        for path in candidates
        if (path / _DATASET_INFO_NAME).is_file() and not _is_incomplete(path)
    )


def _is_incomplete(path: Path) -> bool:
    return path.name.startswith(INCOMPLETE)


def _open_version(path: Path) -> PreparedDataset:
    dataset_info = _read_json(path / _DATASET_INFO_NAME)
    report = _read_json(path / REPORT_NAME)
    try:
        shard_lengths = {
            split["name"]: tuple(int(length) for length in split["shardLengths"])
            for split in dataset_info["splits"]
        }
        if any(length < 0 for lengths in shard_lengths.values() for length in lengths):
            raise ValueError("a shard of fewer than no examples")
        if not all(isinstance(name, str) for name in report["category_names"]):
            raise ValueError("a category whose name is no text")
        for name in (dataset_info["name"], *shard_lengths):
            if not isinstance(name, str) or len(name) > _LONGEST_NAME:
                raise ValueError(f"the name {str(name)[:40]!r}")
        facts = [report["splits"][split] for split in shard_lengths]
        prepared = PreparedDataset(
            path=path,
            name=dataset_info["name"],
            category_names=tuple(report["category_names"]),
            splits=tuple(s for s in report["splits"] if s in shard_lengths),
            max_num_instances=max(fact["max_num_instances"] for fact in facts),
            fingerprint=report["fingerprint"],
            _shard_lengths=shard_lengths,
            max_num_ignored=max(fact.get("max_num_ignored", 0) for fact in facts),
            attribute_names=_attribute_names(report),
            category_attributes=_category_attributes(report),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: its {_DATASET_INFO_NAME} or {REPORT_NAME} is damaged ({error!r}); run "
            "data_prep.build_tfrecords --overwrite."
        ) from error
    for split in prepared.splits:
        for file_path in map(
            Path, (*prepared.record_paths(split), str(prepared.ground_truth_path(split)))
        ):
            if not file_path.is_file():
                raise ValueError(
                    f"{file_path}: missing from the prepared data set; run "
                    "data_prep.build_tfrecords --overwrite."
                )
    return prepared


def _attribute_names(report: dict) -> dict[int, str]:
    names = {int(number): str(name) for number, name in report.get("attribute_names", {}).items()}
    return dict(sorted(names.items()))


def _category_attributes(report: dict) -> dict[int, tuple[int, ...]] | None:
    if "category_attributes" not in report:
        return None
    table = report["category_attributes"].items()
    return {int(number): tuple(sorted(map(int, ids))) for number, ids in table}


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path}: cannot be read ({error}); the prepared data set is incomplete or damaged, "
            "run data_prep.build_tfrecords --overwrite."
        ) from error
