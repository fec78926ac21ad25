"""Reads one format, finds the photos, writes another; counts what is lost."""

import contextlib
import os
import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from data_prep.annotations.segmentations import SegmentationError
from data_prep.convert.annotation_formats import AnnotationFormat, WriteOptions, format_named
from data_prep.convert.label_set import (
    MALFORMED_ENTRY,
    Label,
    LabelledPhoto,
    LabelSet,
    RawLabels,
    checked_size_hw,
    label_from_raw,
)
from data_prep.convert.photo_size import photo_size_hw
from data_prep.convert.report import EMPTY_OF_UNKNOWN_SIZE, ConversionReport, is_no_mask
from data_prep.convert.written_polygons import Losses
from data_prep.readers.photo_conversion import RawPhoto
from data_prep.readers.photo_names import is_file, other_names
from data_prep.readers.raw_dataset import ENTRY_MERGED, PHOTO_LEFT_OUT, Note

MASKS_AS = ("source", "rle", "polygons", "one_polygon")


@dataclass(frozen=True)
class ConversionOptions:
    """How to convert.

    Attributes:
        photos_dir: where the photos are; None: where the source's format has them.
        masks_as: one of MASKS_AS.
        url_prefix: Label Studio's, before each photo's name.
        copies_photos: into the output, for the formats that are folders.
        overwrite: replaces what is there.
        max_bad_percent: more photos or annotations that cannot be used stop the conversion.
    """

    photos_dir: Path | None = None
    masks_as: str = MASKS_AS[0]
    url_prefix: str = WriteOptions.url_prefix
    copies_photos: bool = False
    overwrite: bool = False
    max_bad_percent: float = 5.0


def convert(
    source: str, source_path: Path, target: str, target_path: Path, options: ConversionOptions
) -> ConversionReport:
    """Converts annotations; what is written is whole or not there.

    Args:
        source: one of annotation_formats.FORMATS.
        source_path: its file or folder.
        target: likewise.
        target_path: its file, or its folder.
        options: how.

    Raises:
        ValueError: Too much of the source is damaged, it has no mask, the target is there, ...
    """
    if not source_path.exists():
        raise ValueError(f"{source_path}: no such file or folder; give it as --input.")
    if options.photos_dir is not None and not options.photos_dir.is_dir():
        raise ValueError(f"{options.photos_dir}: no such folder; give the photos' as --photos_dir.")
    written = format_named(target)
    _check_target(written, target_path, options.overwrite)
    raw = format_named(source).read(source_path)
    report = ConversionReport()
    for note in raw.left_out:
        report.leave_out(note, "photos")
    for note in raw.dropped:
        report.leave_out(note)
    photos_dir = options.photos_dir or raw.photos_dir
    if photos_dir is not None and not photos_dir.is_dir():
        photos_dir = None
    # A lone file may lie in a folder of anything: that is not searched.
    is_searched = options.photos_dir is not None or source_path.is_dir()
    renamed = _renamed(raw, photos_dir if is_searched else None)
    labels = _label_set(raw, renamed, photos_dir, options.photos_dir is not None, report)
    report.num_photos = len(labels.photos)
    report.num_garments = sum(len(photo.labels) for photo in labels.photos)
    report.check_left_out(str(source_path), options.max_bad_percent)
    _check_has_masks(source_path, format_named(source).tool, report)
    losses = Losses(joins_parts=options.masks_as == "one_polygon")
    _write(written, target_path, labels, losses, photos_dir, options)
    report.polygon_ious = losses.polygon_ious
    report.noted += losses.changed
    return report


def _check_has_masks(source_path: Path, tool: str, report: ConversionReport) -> None:
    if report.num_garments:
        return
    boxes_alone = any(is_no_mask(reason) for reason in report.left_out)
    hint = "; it has boxes or the like alone: export masks or polygons" if boxes_alone else ""
    photos = "1 photo" if report.num_photos == 1 else f"{report.num_photos} photos"
    raise ValueError(
        f"{source_path}: no mask to write; read as {tool}, {photos} without garments "
        f"({'; '.join(report.lines()) or 'nothing was left out'}); expected at least one "
        f"polygon or mask{hint}."
    )


def _check_target(target: AnnotationFormat, path: Path, overwrite: bool) -> None:
    if target.is_folder:
        if path.exists() and not path.is_dir():
            raise ValueError(f"{path}: a file, expected a folder to make; give another --output.")
        if path.is_dir() and any(path.iterdir()):
            raise ValueError(f"{path}: not empty, expected a new folder; give another --output.")
    elif path.is_dir():
        raise ValueError(f"{path}: a folder, expected a file to write; give another --output.")
    elif path.exists() and not overwrite:
        raise ValueError(f"{path}: is there already; --overwrite replaces it.")


def _renamed(raw: RawLabels, photos_dir: Path | None) -> dict[str, str]:
    """The photos' own names by what tools made of them."""
    names = [photo.file_name for photo in raw.photos]
    return other_names(photos_dir, names) if photos_dir is not None else {}


def _label_set(
    raw: RawLabels,
    renamed: dict[str, str],
    photos_dir: Path | None,
    is_given: bool,
    report: ConversionReport,
) -> LabelSet:
    """Makes the masks; photos that two entries mean are one."""
    category_ids, category_names = _categories(raw, report)
    by_name: dict[str, LabelledPhoto] = {}
    for raw_photo in tqdm(raw.photos, "masks", unit="photo", disable=None):
        name = renamed.get(raw_photo.file_name, raw_photo.file_name)
        photo_path = photos_dir / name if photos_dir is not None else None
        if photo_path is not None and not is_file(photo_path):
            photo_path = None
        if is_given and photo_path is None:
            report.notice(Note("photo_not_found", raw_photo.image_id, name))
        photo = _labelled(raw_photo, name, photo_path, category_ids, report)
        if photo is None:
            continue
        first = by_name.setdefault(name, photo)
        if first is not photo and (first.height, first.width) == (photo.height, photo.width):
            report.notice(Note(ENTRY_MERGED, raw_photo.image_id, name))
            by_name[name] = replace(first, labels=first.labels + photo.labels)
        elif first is not photo:
            detail = f"got {photo.width}x{photo.height} after {first.width}x{first.height}"
            note = Note("entry_of_another_size", raw_photo.image_id, name, detail)
            report.leave_out(note, "photos")
    return LabelSet(category_names, list(by_name.values()))


def _categories(raw: RawLabels, report: ConversionReport) -> tuple[dict[int, int], tuple[str, ...]]:
    """Category ids by raw ids, and names; spellings that differ in case and spaces are one."""
    ids_by_spelling: dict[str, int] = {}
    names: list[str] = []
    category_ids = {}
    for raw_id in sorted(raw.category_names):
        name = raw.category_names[raw_id]
        spelling = unicodedata.normalize("NFC", " ".join(name.split())).casefold()
        category_id = ids_by_spelling.setdefault(spelling, len(names) + 1)
        if category_id > len(names):
            names.append(name)
        elif name != names[category_id - 1]:
            detail = f"{name!r} is taken as {names[category_id - 1]!r}"
            report.notice(Note("category_spelt_in_two_ways", raw_id, "", detail))
        category_ids[raw_id] = category_id
    return category_ids, tuple(names)


def _labelled(
    raw: RawPhoto,
    name: str,
    photo_path: Path | None,
    category_ids: dict[int, int],
    report: ConversionReport,
) -> LabelledPhoto | None:
    try:
        shown_hw = photo_size_hw(photo_path) if photo_path and photo_path.is_file() else None
        size_hw = raw.annotated_hw or shown_hw
        if size_hw is not None:
            checked_size_hw(*size_hw, name)
    except ValueError as error:
        _leave_out_photo(raw, Note(MALFORMED_ENTRY, raw.image_id, name, str(error)), report)
        return None
    if size_hw is None:
        detail = "neither the annotations nor a photo say it; give --photos_dir"
        reason = "photo_of_unknown_size" if raw.instances else EMPTY_OF_UNKNOWN_SIZE
        _leave_out_photo(raw, Note(reason, raw.image_id, name, detail), report)
        return None
    # Masks may lie on a photo not yet turned.
    if shown_hw is not None and size_hw not in (shown_hw, shown_hw[::-1]):
        detail = f"the file {shown_hw[1]}x{shown_hw[0]}, its masks {size_hw[1]}x{size_hw[0]}"
        report.notice(Note("photo_of_another_size_than_its_masks", raw.image_id, name, detail))
    for note in raw.dropped:
        report.leave_out(note)
    for note in raw.repairs:
        report.notice(note)
    labels: list[Label] = []
    for instance in raw.instances:
        category_id = category_ids.get(instance.raw_category_id)
        if category_id is None:
            report.leave_out(Note("unknown_category", instance.record_id, name))
            continue
        try:
            labels.append(label_from_raw(instance, category_id, size_hw))
        except SegmentationError as error:
            report.leave_out(Note(error.reason, instance.record_id, name, error.detail))
    return LabelledPhoto(name, *size_hw, tuple(labels))


def _leave_out_photo(raw: RawPhoto, why: Note, report: ConversionReport) -> None:
    report.leave_out(why, "photos")
    for instance in raw.instances:
        report.leave_out(Note(PHOTO_LEFT_OUT, instance.record_id, why.file_name))


def _write(
    target: AnnotationFormat,
    path: Path,
    labels: LabelSet,
    losses: Losses,
    photos_dir: Path | None,
    options: ConversionOptions,
) -> None:
    masks_as = "polygons" if losses.joins_parts else options.masks_as
    if not target.is_folder:
        target.write(labels, path, losses, WriteOptions(masks_as, options.url_prefix, photos_dir))
        return
    with _whole_folder(path) as partial:
        if options.copies_photos:
            _copy_photos(target, labels, photos_dir, partial)
        # Relative to where the folder will lie: the partial one is beside it.
        where = None if options.copies_photos else photos_dir
        target.write(labels, partial, losses, WriteOptions(masks_as, options.url_prefix, where))


@contextlib.contextmanager
def _whole_folder(path: Path) -> Iterator[Path]:
    """Gives a folder beside `path` that becomes it at the end, and is gone where that fails."""
    partial = path.with_name(f".{path.name[:40]}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    try:
        yield partial
        if path.is_dir():
            path.rmdir()  # it is empty
        partial.replace(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy_photos(
    target: AnnotationFormat, labels: LabelSet, photos_dir: Path | None, out_dir: Path
) -> None:
    if photos_dir is None:
        raise ValueError("--copy_photos: where the photos are is not known; give --photos_dir.")
    for photo in tqdm(labels.photos, "photos", unit="photo", disable=None):
        from_path = photos_dir / photo.file_name
        if not is_file(from_path):
            raise ValueError(
                f"{from_path}: no such photo to copy; give the folder as --photos_dir."
            )
        to_path = out_dir / target.photo_path(photo.file_name)
        to_path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(from_path, to_path)
