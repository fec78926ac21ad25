"""A model's detections on photos without labels, as a raw data set."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from data_prep.datasets.pseudo.selection import Prediction, SelectionRules, Verdict
from data_prep.prepared import open_prepared
from data_prep.readers.photo_conversion import (
    PhotoConverter,
    RawInstance,
    RawPhoto,
    RecordConverter,
)
from data_prep.readers.photo_folder import PhotoFolder
from data_prep.readers.raw_dataset import (
    ALREADY_LABELLED,
    NO_PREDICTION,
    NOTHING_CONFIDENT,
    PHOTO_LEFT_OUT,
    TAG_NOT_FOUND,
    ImageKey,
    Note,
    RawDataset,
    RawSource,
)
from tfseg.io.photo_files import find_files
from tfseg.structures.detections import checked_counts
from tfseg.structures.review_predictions import is_share


class PredictedRecord(NamedTuple):
    """A photo and what was found in it; judged where it is worked on.

    Attributes:
        image_id: counted from 1, by the photos' names.
        file_name: below the photos' folder.
        entries: of detections.json, with their places in it from 1.
        category_ids: by name.
        rules: which of them are instances.
        tags: the categories in the photo; None: nobody said.
    """

    image_id: int
    file_name: str
    entries: tuple[tuple[int, dict], ...]
    category_ids: Mapping[str, int]
    rules: SelectionRules
    tags: frozenset[str] | None

    def raw_photo(self) -> RawPhoto:
        """Judges the predictions; unsure ones are crowds, which training passes over."""
        predictions = [_prediction(entry) for _, entry in self.entries]
        verdicts = self.rules.verdicts(predictions, self.tags)
        instances, dropped, repairs = [], [], []
        for (number, entry), one, verdict in zip(self.entries, predictions, verdicts, strict=True):
            note = Note(verdict.value, number, self.file_name)
            if verdict is not Verdict.INSTANCE and not verdict.is_region:
                dropped.append(note)
                continue
            if verdict.is_region:
                repairs.append(note)
            category_id = self.category_ids[one.category]
            instances.append(
                RawInstance(number, category_id, entry["segmentation"], verdict.is_region)
            )
        reason = None if Verdict.INSTANCE in verdicts else NOTHING_CONFIDENT
        if not reason and not self.rules.finds_enough(predictions, verdicts, self.tags):
            reason = TAG_NOT_FOUND
        return RawPhoto(
            self.image_id,
            self.file_name,
            annotated_hw=tuple(predictions[0].rle["size"]),
            instances=tuple(instances),
            dropped=tuple(dropped),
            unusable_reason=reason,
            repairs=() if reason else tuple(repairs),
        )


def _prediction(entry: dict) -> Prediction:
    height, width = entry["segmentation"]["size"]
    rle = {"size": [height, width], "counts": entry["segmentation"]["counts"].encode("ascii")}
    return Prediction(entry["category_name"], entry["score"], rle)


@dataclass
class PredictedSource(RawSource):
    """The photos of a detections.json; all go to train."""

    predicted: dict[int, PredictedRecord] = field(default_factory=dict)

    def records(self, image_ids: list[int]) -> Iterator[PredictedRecord]:
        """Yields each photo with its detections."""
        return (self.predicted[image_id] for image_id in image_ids)


@dataclass(frozen=True)
class PseudoPaths:
    """Where the raw files lie; see RAW_PATH_FLAGS."""

    predictions: Path
    photos_dir: Path
    like: Path
    leave_out: Path | None = None
    tags: Path | None = None
    confident_scores: Path | None = None

    @property
    def files(self) -> list[Path]:
        """What the set is made from; of prepared sets their reports."""
        sets = [path for path in (self.like, self.leave_out) if path is not None]
        reports = [open_prepared(path).report_path for path in dict.fromkeys(sets)]
        given = (self.predictions, self.photos_dir, self.tags, self.confident_scores)
        return [*(path for path in given if path is not None), *reports]


def open_raw_dataset(paths: PseudoPaths, rules: SelectionRules, max_side: int | None) -> RawDataset:
    """Reads detections and tags; no photos yet.

    Args:
        paths: where the files are.
        rules: which predictions are instances.
        max_side: the longest side to keep, pixels; None keeps the size.

    Raises:
        ValueError: A file is missing or not what it should be, or a category is none of those of
            the data set to be mixed with.
    """
    like = open_prepared(paths.like)
    ids = {name: index for index, name in enumerate(like.category_names, start=1)}
    entries = read_detections(paths.predictions, ids)
    tags = read_tags(paths.tags) if paths.tags is not None else {}
    labelled = _file_names(paths.leave_out) if paths.leave_out is not None else set()
    photos = find_files(paths.photos_dir).photos
    names = [path.relative_to(paths.photos_dir).as_posix() for path in photos]
    missing = [name for name in entries if name not in set(names)]
    if missing:
        raise ValueError(
            f"{paths.predictions}: {len(missing)} of its {len(entries)} photos are not in "
            f"{paths.photos_dir}, such as {missing[0]!r}; give the folder that was predicted on as "
            "--photos_dir."
        )
    converter = RecordConverter(
        PhotoFolder(paths.photos_dir), PhotoConverter({i: i for i in ids.values()}, max_side)
    )
    num_entries = sum(map(len, entries.values()))
    source = PredictedSource(
        paths.predictions.name, len(names), num_entries, converter, split="train"
    )
    for image_id, name in enumerate(sorted(names), start=1):
        if name in labelled or name not in entries:
            reason = ALREADY_LABELLED if name in labelled else NO_PREDICTION
            source.left_out.append(Note(reason, image_id, name))
            numbers = [number for number, _ in entries.get(name, ())]
            source.dropped += [Note(PHOTO_LEFT_OUT, number, name) for number in numbers]
            continue
        source.predicted[image_id] = PredictedRecord(
            image_id, name, tuple(entries[name]), ids, rules, tags.get(name)
        )
        source.keys.append(ImageKey(image_id, name))
    return RawDataset(like.category_names, [source], required_splits=("train",))


def read_detections(
    path: Path, category_ids: Mapping[str, int]
) -> dict[str, list[tuple[int, dict]]]:
    """Reads detections.json: entries by file name, with their places from 1.

    Raises:
        ValueError: It is not what tfseg.predict writes, or a category is unknown.
    """
    by_name: dict[str, list[tuple[int, dict]]] = {}
    for number, entry in enumerate(_read_json(path, list), start=1):
        fault = _fault(entry)
        if fault:
            raise ValueError(
                f"{path}: entry {number} {fault}; expected the detections.json of tfseg.predict."
            )
        if entry["category_name"] not in category_ids:
            known = ", ".join(category_ids)
            raise ValueError(
                f"{path}: entry {number} is of the category {entry['category_name']!r}, expected "
                f"those of --like: {known}."
            )
        of_photo = by_name.setdefault(entry["file_name"], [])
        size, first = entry["segmentation"]["size"], (of_photo or [(0, entry)])[0][1]
        if size != first["segmentation"]["size"]:
            raise ValueError(
                f"{path}: entry {number} of {entry['file_name']} has size {size}, another one "
                f"{first['segmentation']['size']}; predict anew."
            )
        of_photo.append((number, entry))
    if not by_name:
        raise ValueError(f"{path}: has no detections; predict with a lower --score_threshold.")
    return by_name


def _fault(entry: Any) -> str:
    """What is wrong with an entry of detections.json, "" for nothing."""
    if not isinstance(entry, dict):
        return f"is {str(entry)[:40]!r}"
    for key, kinds in (("file_name", str), ("category_name", str), ("score", (int, float))):
        if not isinstance(entry.get(key), kinds):
            return f"has {key} {str(entry.get(key))[:40]!r}"
    segmentation = entry.get("segmentation")
    if not isinstance(segmentation, dict) or not isinstance(segmentation.get("counts"), str):
        return f"has segmentation {str(segmentation)[:40]!r}, not a compressed RLE"
    size = segmentation.get("size")
    if not isinstance(size, list) or len(size) != 2:
        return f"has size {str(size)[:40]!r}"
    if not all(type(side) is int and side > 0 for side in size):
        return f"has size {str(size)[:40]!r}"
    if not is_share(entry["score"]):
        return f"has score {str(entry['score'])[:20]}, not 0 to 1"
    try:
        checked_counts(segmentation)
    except ValueError as error:
        return f"has a {error}"
    return ""


def read_tags(path: Path) -> dict[str, frozenset[str]]:
    """Reads tags.json: {"0001.jpg": ["bag", "top"]}.

    Raises:
        ValueError: It is not that.
    """
    tags = {}
    for name, names in _read_json(path, dict).items():
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise ValueError(f"{path}: got {str(names)[:60]!r} for {name!r}, expected a list.")
        tags[name] = frozenset(names)
    return tags


def _file_names(prepared_dir: Path) -> set[str]:
    """The photos of a prepared data set that have labels."""
    prepared = open_prepared(prepared_dir)
    names: set[str] = set()
    for split in prepared.splits:
        if split in ("train", "val", "test"):
            truth = _read_json(prepared.ground_truth_path(split), dict)
            names |= {image["file_name"] for image in truth["images"]}
    return names


def _read_json(path: Path, kind: type) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as JSON ({error}).") from None
    if not isinstance(content, kind):
        raise ValueError(f"{path}: got a {type(content).__name__}, expected a {kind.__name__}.")
    return content
