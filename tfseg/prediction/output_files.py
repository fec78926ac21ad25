"""The files that a whole run of tfseg.predict writes, read off its journal photo by photo.

A file more in RUN_FILES is a flag of tfseg.predict.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tfseg.prediction.journal import PredictionJournal
from tfseg.prediction.photo_files import PhotoFile, image_ids
from tfseg.prediction.submissions import (
    challenge_results,
    fgvc6_attribute_ids,
    fgvc6_class_ids,
    fgvc6_rows,
    write_fgvc6,
)
from tfseg.structures.detection_files import write_results
from tfseg.structures.detections import Detections

RunFileWriter = Callable[[Path, PredictionJournal, list[PhotoFile]], None]


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """What the files of a run depend on beside its detections.

    Attributes:
        category_names: The model's, by category id - 1.
        attribute_names: The model's that a submission is to have; () for none.
        overlap_order: mask_geometry.remove_overlaps' order; None leaves overlaps.
        label_descriptions_path: FGVC6's label_descriptions.json; None: its names are known.
    """

    category_names: Sequence[str]
    attribute_names: Sequence[str]
    overlap_order: str | None
    label_descriptions_path: str | None


@dataclasses.dataclass(frozen=True)
class RunFile:
    """One file about all photos, beside detections.json.

    Attributes:
        flag: Its flag's name.
        file_name: In the output folder.
        help: The flag's.
        refuse: Raises ValueError for photos that the file cannot be about.
        writer: Makes what writes it; ValueError where it cannot be made with these settings.
    """

    flag: str
    file_name: str
    help: str
    refuse: Callable[[list[PhotoFile]], None]
    writer: Callable[[RunSettings], RunFileWriter]


def write_detections(path: Path, journal: PredictionJournal, photos: list[PhotoFile]) -> None:
    """Writes COCO results, each also with file_name and category_name."""
    ids = image_ids(photos)
    write_results(
        path,
        (
            {"file_name": photo.name, **result}
            for photo, detections in journal.read(photos)
            for result in detections.to_coco_results(ids[photo.name])
        ),
    )


def refuse_unnumbered(photos: list[PhotoFile]) -> None:
    """Raises ValueError where a photo is not called by its image id, as ModaNet's 0100014.jpg, or
    two are called by the same."""
    by_id: dict[int, PhotoFile] = {}
    for photo in photos:
        stem = Path(photo.name).stem
        if not (stem.isascii() and stem.isdigit()):
            raise ValueError(
                f"--challenge: {photo.path} is not called by its image id; expected names such as "
                "0100014.jpg, those of modanet2018_instances_val.json."
            )
        first = by_id.setdefault(int(stem), photo)
        if first is not photo:
            raise ValueError(
                f"--challenge: {first.path} and {photo.path} are called by the same image id; give "
                "each photo once."
            )


def refuse_repeated(photos: list[PhotoFile]) -> None:
    """Raises ValueError where two photos have one file name, which is FGVC6's ImageId."""
    by_name: dict[str, PhotoFile] = {}
    for photo in photos:
        first = by_name.setdefault(Path(photo.name).name, photo)
        if first is not photo:
            raise ValueError(
                f"--submission: {first.path} and {photo.path} have the same name, which is their "
                "ImageId; give each photo once."
            )


def write_challenge(path: Path, journal: PredictionJournal, photos: list[PhotoFile]) -> None:
    """Writes the json of ModaNet's challenge; see refuse_unnumbered."""
    ids = image_ids(photos)
    write_results(
        path,
        (
            entry
            for photo, detections in journal.read(photos)
            for entry in challenge_results(ids[photo.name], detections)
        ),
    )


def write_submission(
    path: Path,
    journal: PredictionJournal,
    photos: list[PhotoFile],
    class_ids: Mapping[int, int],
    overlap_order: str | None,
    attribute_ids: Mapping[str, int] | None = None,
) -> None:
    """Writes the csv of FGVC6's competition, with a row for photos that failed too.

    Contested pixels go to the better scored mask where nothing else was asked for. With
    attribute_ids (submissions.fgvc6_attribute_ids) a ClassId names the attributes too.
    """
    found = journal.read(photos)
    ahead = next(found, None)

    def rows() -> Iterable[tuple[str, str, str]]:
        nonlocal ahead
        for photo in photos:
            detections = _NOTHING
            if ahead is not None and ahead[0] is photo:
                detections, ahead = ahead[1], next(found, None)
            image_id, order = Path(photo.name).name, overlap_order or "score"
            yield from fgvc6_rows(image_id, detections, class_ids, order, attribute_ids)

    write_fgvc6(path, rows())


_NOTHING = Detections(
    np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32), (), (), (1, 1)
)


def _submission_writer(settings: RunSettings) -> RunFileWriter:
    """Finds the competition's ids of what the model knows; tells which it has not."""
    names, attributes = settings.category_names, settings.attribute_names
    class_ids = fgvc6_class_ids(names, settings.label_descriptions_path)
    unknown = [name for category_id, name in enumerate(names, 1) if category_id not in class_ids]
    attribute_ids = None
    if attributes:
        attribute_ids = fgvc6_attribute_ids(attributes, settings.label_descriptions_path)
        unknown += [name for name in attributes if name not in attribute_ids]
    if unknown:
        print(f"submission.csv leaves out what the competition does not know: {', '.join(unknown)}")
    return functools.partial(
        write_submission,
        class_ids=class_ids,
        overlap_order=settings.overlap_order,
        attribute_ids=attribute_ids,
    )


RUN_FILES = (
    RunFile(
        "challenge",
        "challenge.json",
        "Write challenge.json for ModaNet's challenge.",
        refuse_unnumbered,
        lambda settings: write_challenge,
    ),
    RunFile(
        "submission",
        "submission.csv",
        "Write submission.csv for FGVC6's competition.",
        refuse_repeated,
        _submission_writer,
    ),
)
