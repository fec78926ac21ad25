"""Photos of a review folder: what a model predicted, and what people decided since.

tfseg.structures.review_predictions describes the predictions. data_prep.review adds
decisions.jsonl, a line a decision, each on disk before the page shows it; the last whole line of a
photo counts:

    file_name: as in predictions.jsonl.
    revision: 1, 2, ... for each photo; its prediction is revision 0.
    action: "accept", "reject", "reopen", "delete", "trim" (all doubtful garments deleted),
        "category", "redraw", "add", "split", "import", or "undo", which takes back the file's last
        line that no other has taken back.
    time: seconds since 1970.
    review: "accepted": all garments of the photo are there and right; "rejected": not to be used;
        "pending": any change makes a photo wait for a decision again.
    is_touched: false where an undo led back to the prediction, whose instances count then.
    height, width: pixels.
    instances: all of the photo by now: [{category, score (null of a person's), counts, source}],
        source "model" or "person" (mask drawn by one), counts as in predictions.jsonl.
"""

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from tfseg.structures.detections import checked_counts
from tfseg.structures.review_predictions import (
    PREDICTIONS_NAME,
    ReviewSettings,
    is_dhash,
    is_share,
    load_settings,
    whole_lines,
)

DECISIONS_NAME = "decisions.jsonl"
PENDING, ACCEPTED, REJECTED = "pending", "accepted", "rejected"
MODEL, PERSON = "model", "person"
_NO_EDITS = {"accept", "reject", "reopen"}


@dataclass(frozen=True)
class ReviewedInstance:
    """One garment.

    Attributes:
        category: Its name.
        score: Of the model, 0..1; None where a person added it.
        counts: String of its compressed COCO RLE at the photo's size.
        source: Whose mask it is, "model" or "person".
    """

    category: str
    score: float | None
    counts: str
    source: str = MODEL


@dataclass(frozen=True)
class ReviewedPhoto:
    """What is known of one photo; the module's text says what the fields mean.

    is_edited: whether an action changed the garments that has not been taken back.
    """

    file_name: str
    height: int
    width: int
    instances: tuple[ReviewedInstance, ...]
    review: str = PENDING
    revision: int = 0
    is_touched: bool = False
    is_edited: bool = False
    dhash: str = ""
    flip_disagreement: float | None = None
    model_disagreement: float | None = None
    error: str = ""

    def rles(self) -> list[dict]:
        """The masks as compressed COCO RLE."""
        size = [self.height, self.width]
        return [{"size": size, "counts": one.counts.encode()} for one in self.instances]


@dataclass(frozen=True)
class ReviewFolder:
    """A review folder as it is now.

    Attributes:
        settings: Of the prediction.
        photos: By file name, those that cannot be read with their error.
        predicted: As the model left them, likewise.
        history: Photos as they were before each decision that can be undone, oldest first.
        num_decision_bytes: Where the last whole line of decisions.jsonl ends.
    """

    settings: ReviewSettings
    photos: dict[str, ReviewedPhoto]
    predicted: dict[str, ReviewedPhoto]
    history: list[ReviewedPhoto]
    num_decision_bytes: int

    @property
    def photos_dir(self) -> Path:
        """The folder that file names are relative to."""
        return Path(self.settings.photos_dir)

    @property
    def category_names(self) -> tuple[str, ...]:
        """The set's in the model's order, then any others that photos have, sorted."""
        used = {one.category for photo in self.photos.values() for one in photo.instances}
        names = self.settings.category_names
        return (*names, *sorted(used - set(names)))


def is_review_folder(folder: Path) -> bool:
    """Whether tfseg.predict --review_dir has written there."""
    return (folder / PREDICTIONS_NAME).is_file()


def read_review(review_dir: str | os.PathLike) -> ReviewFolder:
    """Reads a review folder; changes nothing, others may be at work on it.

    Raises:
        ValueError: It is no review folder, or a damaged one.
    """
    review_dir = Path(review_dir)
    settings = load_settings(review_dir)
    path = review_dir / PREDICTIONS_NAME
    if settings is None or not path.is_file():
        raise ValueError(
            f"{review_dir}: no review.json and {PREDICTIONS_NAME} here; expected --review_dir of "
            "python -m tfseg.predict, run that first."
        )
    predicted = {}
    for entry, _ in whole_lines(path):
        predicted[entry["file_name"]] = _checked(path, entry, _predicted_photo)
    photos = dict(predicted)
    history, end = _replay(review_dir / DECISIONS_NAME, photos)
    return ReviewFolder(settings, photos, predicted, history, end)


def decision_counts(folder: ReviewFolder) -> Counter:
    """Counts the photos: accepted, corrected (accepted with changes), rejected, begun (changed but
    not accepted), untouched, unreadable."""
    counts: Counter[str] = Counter()
    for name, photo in folder.photos.items():
        if photo.error:
            counts["unreadable"] += 1
        elif photo.review != PENDING:
            counts[photo.review] += 1
            counts["corrected"] += is_corrected(photo, folder.predicted.get(name))
        else:
            counts["begun" if photo.is_touched else "untouched"] += 1
    return +counts


def is_corrected(photo: ReviewedPhoto, predicted: ReviewedPhoto | None) -> bool:
    """Whether people changed the garments of an accepted photo.

    What was predicted alone does not tell: a better model may have predicted anew since.
    """

    def garments(one: ReviewedPhoto | None) -> Counter:
        return Counter((i.category, i.counts) for i in one.instances) if one else Counter()

    is_edited = photo.review == ACCEPTED and photo.is_edited
    return is_edited and garments(photo) != garments(predicted)


def is_edit(action: str) -> bool:
    """Whether an action, other than an undo, changes garments."""
    return action not in _NO_EDITS


def _replay(path: Path, photos: dict[str, ReviewedPhoto]) -> tuple[list[ReviewedPhoto], int]:
    """Brings photos up to what was decided; returns the history and where it ends."""
    history: list[ReviewedPhoto] = []
    predicted = dict(photos)
    end = 0
    for entry, end in whole_lines(path) if path.is_file() else ():  # noqa: B007 the last one
        name = entry["file_name"]
        decided = _checked(path, entry, _decided_photo)
        # Predicted no more: what a person decided stays.
        origin = predicted.setdefault(name, replace(decided, review=PENDING, is_touched=False))
        if (action := entry.get("action")) != "undo":
            before = photos.get(name, replace(origin, revision=decided.revision - 1))
            history.append(before)
            decided = replace(decided, is_edited=before.is_edited or is_edit(str(action)))
        elif history:
            decided = replace(decided, is_edited=history.pop().is_edited)
        photos[name] = as_decided(decided, origin)
    return history, end


def as_decided(decided: ReviewedPhoto, predicted: ReviewedPhoto) -> ReviewedPhoto:
    """A decided photo with what only its prediction knows; all of that where it is untouched."""
    if not decided.is_touched and not predicted.error:
        return replace(predicted, revision=decided.revision, review=decided.review)
    return replace(
        decided,
        dhash=predicted.dhash,
        flip_disagreement=predicted.flip_disagreement,
        model_disagreement=predicted.model_disagreement,
    )


def _checked(path: Path, entry: dict, photo_from_entry) -> ReviewedPhoto:
    try:
        photo = photo_from_entry(entry)
        for rle in photo.rles():
            checked_counts(rle)
        return photo
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path}, {entry['file_name']}: not a photo's record ({repr(error)[:200]}); delete "
            "its line."
        ) from error


def _predicted_photo(entry: dict) -> ReviewedPhoto:
    name = entry["file_name"]
    if "error" in entry:
        return ReviewedPhoto(name, 0, 0, (), error=str(entry["error"]) or "not predicted")
    dhash = entry["dhash"]
    if not is_dhash(dhash):
        raise ValueError(f"dhash {dhash[:20]!r}")
    disagreements = {
        "flip_disagreement": entry["flip_disagreement"],
        "model_disagreement": entry.get("model_disagreement"),
    }
    for key, value in disagreements.items():
        if value is not None and not is_share(value):
            raise ValueError(f"{key} {str(value)[:20]!r}")
    return ReviewedPhoto(
        name,
        _whole_number(entry, "height", 1),
        _whole_number(entry, "width", 1),
        tuple(map(_instance, entry["instances"])),
        dhash=dhash,
        **disagreements,
    )


def _decided_photo(entry: dict) -> ReviewedPhoto:
    if entry["review"] not in (PENDING, ACCEPTED, REJECTED):
        raise ValueError(f"review {str(entry['review'])[:20]!r}")
    return ReviewedPhoto(
        entry["file_name"],
        _whole_number(entry, "height", 1),
        _whole_number(entry, "width", 1),
        tuple(map(_instance, entry["instances"])),
        entry["review"],
        _whole_number(entry, "revision", 0),
        bool(entry["is_touched"]),
    )


def _whole_number(entry: dict, key: str, least: int) -> int:
    value = entry[key]
    if type(value) is not int or value < least:
        raise ValueError(f"{key} {str(value)[:20]!r}")
    return value


def _instance(fields: dict) -> ReviewedInstance:
    instance = ReviewedInstance(**fields)
    if not isinstance(instance.category, str) or not isinstance(instance.counts, str):
        category = str(instance.category)[:20]
        raise ValueError(f"category {category!r}, counts {str(instance.counts)[:20]!r}")
    if instance.score is not None and not is_share(instance.score):
        raise ValueError(f"score {str(instance.score)[:20]!r}, not a number of 0 to 1")
    if instance.source not in (MODEL, PERSON):
        raise ValueError(f"source {str(instance.source)[:20]!r}")
    return instance
