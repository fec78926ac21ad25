"""Predictions that people are going to correct: the files of a review folder, without TensorFlow.

tfseg.predict --review_dir writes two files, data_prep.review reads them and adds a third of its own
(data_prep.readers.review_folder). All are UTF-8 json; stray bytes of file names are kept as their
escapes.

review.json, written whole:
    format: 1.
    model: where the model came from, for people.
    photos_dir: the folder that file names are relative to, absolute.
    category_names: the set's names in the model's order.
    score_threshold: what was left out scored less, 0..1; low, so that misses are few.
    score_thresholds: {category name: what the model itself would show}, 0..1; all names.
    nms_iou: of the second NMS; null where there was none.
    flip: whether the mirrored photos were looked at too.
    compared_with: the other model that looked at the photos too; null or missing: there was none.

predictions.jsonl, a line a photo; of two lines of one file name the last counts, a last line
without its end is what a kill left and does not count:
    file_name: relative to photos_dir, with "/".
    num_bytes: of the file.
    height, width: of the photo as it is shown (upright) and of its masks, pixels.
    dhash: difference hash of 64 bits, 16 hex digits; near-duplicates differ in few bits.
    flip_disagreement: 0..1, how much the mirrored photo's garments differ; null: not looked at.
    model_disagreement: likewise, the other model's; may be missing.
    instances: [{category, score (0..1), counts}], counts the string of a compressed COCO RLE of
        size [height, width].
or
    file_name, error: why there are none.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tfseg.io.atomic_files import write_whole

SETTINGS_NAME = "review.json"
PREDICTIONS_NAME = "predictions.jsonl"
LOCK_NAME = "review.lock"
FORMAT = 1


@dataclass(frozen=True)
class ReviewSettings:
    """What review.json says; see the module's text."""

    model: str
    photos_dir: str
    category_names: tuple[str, ...]
    score_threshold: float
    score_thresholds: dict[str, float]
    nms_iou: float | None
    flip: bool
    compared_with: str | None = None

    def save(self, review_dir: Path) -> None:
        """Writes review.json, whole or not at all.

        Raises:
            WriteError: The disk is full, the folder read-only, ...
        """
        content = json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"
        write_whole(review_dir / SETTINGS_NAME, content, "the review's settings")


def load_settings(review_dir: Path) -> ReviewSettings | None:
    """Reads review.json; None where the folder has none.

    Raises:
        ValueError: It is damaged, or of another format.
    """
    path = review_dir / SETTINGS_NAME
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']!r}")
        content = {"compared_with": None, **content}  # folders made before there was one
        known = {field.name: content[field.name] for field in fields(ReviewSettings)}
        problem = _settings_problem(known)
        if problem:
            raise ValueError(problem)
        return ReviewSettings(**{**known, "category_names": tuple(known["category_names"])})
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: got {error!r}, expected a file of tfseg.predict --review_dir with format "
            f"{FORMAT}; predict into a new folder."
        ) from error


def is_share(value: object) -> bool:
    """Whether a json's value is a number of 0 to 1."""
    return type(value) in (int, float) and 0 <= value <= 1  # type: ignore[operator]


def is_dhash(text: str) -> bool:
    """Whether a text is a photo's dhash, 16 hexadecimal digits, or "" for none."""
    return re.fullmatch("[0-9a-f]{16}|", text) is not None


def _settings_problem(content: dict) -> str:
    """What is wrong with a review.json's values, "" for nothing."""
    names, thresholds = content["category_names"], content["score_thresholds"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return f"category_names {str(names)[:40]!r}"
    if len(set(names)) != len(names):
        return "two of category_names are the same"
    if not isinstance(thresholds, dict) or not all(map(is_share, thresholds.values())):
        return f"score_thresholds {str(thresholds)[:40]!r}, not numbers of 0 to 1"
    fitting = {
        "model": isinstance(content["model"], str),
        "photos_dir": isinstance(content["photos_dir"], str) and "\0" not in content["photos_dir"],
        "score_threshold": is_share(content["score_threshold"]),
        "nms_iou": content["nms_iou"] is None or is_share(content["nms_iou"]),
        "flip": isinstance(content["flip"], bool),
        "compared_with": isinstance(content["compared_with"], str | None),
    }
    wrong = [name for name, is_right in fitting.items() if not is_right]
    return f"{wrong[0]} {str(content[wrong[0]])[:40]!r}" if wrong else ""


def whole_lines(path: Path) -> Iterator[tuple[dict, int]]:
    """Reads a file of a json object a line.

    A last line without its end, which a kill within a write left, is left out.

    Yields:
        Each line's object, and the byte where its line ends.

    Raises:
        ValueError: A line is no object with a file_name; names file and line.
    """
    end = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            end += len(line)
            try:
                entry = json.loads(line)
                is_right = isinstance(entry["file_name"], str)
            except (ValueError, KeyError, TypeError):
                is_right = False
            if not is_right:
                raise ValueError(
                    f"{path}, line {number}: got {line[:40]!r}, expected a photo's json object "
                    "with its file_name; delete that line."
                )
            yield entry, end
