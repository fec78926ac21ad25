"""Which photos should teach a model most: unsure ones, rare categories; near-duplicates last."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data_prep.readers.review_folder import ReviewedPhoto

_MOST = 3  # garments of a photo that count: more doubtful ones are more work, too
_NOTHING_FOUND = 0.5  # uncertainty of a photo in which nothing was found
_NEAR_BITS = 5  # of 64; photos whose hashes differ in so many or fewer look alike
_SAID = 0.5  # uncertainty, rarity, disagreement from which a page says so


@dataclass(frozen=True)
class PlacedPhoto:
    """A photo's place in the order.

    Attributes:
        file_name: Which.
        value: 0..1, how much it is expected to teach.
        reasons: In words, for people.
        is_near_duplicate: Of one before it.
    """

    file_name: str
    value: float
    reasons: tuple[str, ...]
    is_near_duplicate: bool


def uncertainty(score: float, threshold: float) -> float:
    """1 for a score at the threshold, falling to 0 at a score of 0 and of 1."""
    room = threshold if score < threshold else 1 - threshold
    return 1.0 if score == threshold else 1 - min(1.0, abs(score - threshold) / room)


def ordered(
    photos: Sequence[ReviewedPhoto], score_thresholds: Mapping[str, float]
) -> list[PlacedPhoto]:
    """Orders predicted photos, the one that teaches most first.

    A photo's value is the average over its three most telling garments of their uncertainty,
    halved for the most common category and whole for the rarest; where the mirrored photo was
    looked at, or another model looked, the average of that and of the looks' disagreements. Of
    photos that look alike all but the first go to the end.

    Args:
        photos: As predicted (ReviewFolder.predicted), readable.
        score_thresholds: By category, from where the model itself would show a garment, 0..1.
    """
    rarity = _rarity(photos)
    valued = [_valued(photo, score_thresholds, rarity) for photo in photos]
    valued.sort(key=lambda placed: (-placed.value, placed.file_name))
    hashes = {photo.file_name: int(photo.dhash, 16) for photo in photos if photo.dhash}
    kept_names: list[str] = []
    kept_hashes = np.zeros(len(valued), np.uint64)
    first, last = [], []
    for placed in valued:
        if placed.file_name in hashes:
            own = np.uint64(hashes[placed.file_name])
            near = np.bitwise_count(kept_hashes[: len(kept_names)] ^ own) <= _NEAR_BITS
            if near.any():
                reason = f"looks like {kept_names[int(near.argmax())]}"
                told = (*placed.reasons, reason)
                last.append(PlacedPhoto(placed.file_name, placed.value, told, True))
                continue
            kept_hashes[len(kept_names)] = own
            kept_names.append(placed.file_name)
        first.append(placed)
    return first + last


def _rarity(photos: Sequence[ReviewedPhoto]) -> dict[str, float]:
    """By category 0..1: 1 for the rarest, the root of how many times more often another is."""
    counts: Counter[str] = Counter()
    for photo in photos:
        for instance in photo.instances:
            counts[instance.category] += instance.score or 0.0  # type: ignore[assignment]
    counts = +counts
    rarest = min(counts.values(), default=0)
    return {name: float(np.sqrt(rarest / count)) for name, count in counts.items()}


def _valued(
    photo: ReviewedPhoto, score_thresholds: Mapping[str, float], rarity: Mapping[str, float]
) -> PlacedPhoto:
    reasons = []
    found = []
    for instance in photo.instances:
        score, name = instance.score or 0.0, instance.category
        doubt = uncertainty(score, score_thresholds.get(name, 0.5))
        rare = rarity.get(name, 0.0)
        found.append((doubt * (1 + rare) / 2, doubt, rare, f"{name} {score:.2f}"))
    found.sort(reverse=True)
    value = sum(one[0] for one in found[:_MOST]) / _MOST if found else _NOTHING_FOUND
    unsure = [text for _, doubt, _, text in found[:_MOST] if doubt > _SAID]
    if unsure:
        reasons.append(f"unsure: {', '.join(unsure)}")
    rare_names = sorted({text.rpartition(" ")[0] for _, _, rare, text in found if rare > _SAID})
    if rare_names:
        reasons.append(f"rare: {', '.join(rare_names)}")
    if not found:
        reasons.append("nothing found")
    looks = {
        "looks different when mirrored": photo.flip_disagreement,
        "another model sees it differently": photo.model_disagreement,
    }
    looked = {reason: share for reason, share in looks.items() if share is not None}
    value = sum((value, *looked.values())) / (1 + len(looked))
    reasons += [reason for reason, share in looked.items() if share > _SAID]
    return PlacedPhoto(photo.file_name, value, tuple(reasons), False)
