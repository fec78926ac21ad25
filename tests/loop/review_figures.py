"""What reviews consisted of, read from the decisions on disk."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.annotations import masks
from data_prep.readers.review_folder import ACCEPTED, DECISIONS_NAME, ReviewedPhoto, read_review
from tests.loop.drawing import TrueGarment, overlap
from tfseg.structures.review_predictions import whole_lines


def of_rounds(
    review_dir: Path, photos_per_round: int, truth: Mapping[str, Sequence[TrueGarment]]
) -> list[dict[str, Any]]:
    """Counts the decisions of each round, and how good its photos became.

    Returns:
        Of each round: decisions by action; "photos"; "edits_per_photo"; "garments" accepted;
        "mean_iou" of their masks with the truth; "missing": true garments that nobody drew.
    """
    photos = read_review(review_dir).photos
    actions: list[Counter[str]] = [Counter()]
    names: list[list[str]] = [[]]
    for entry, _ in whole_lines(review_dir / DECISIONS_NAME):
        if len(names[-1]) == photos_per_round:
            actions.append(Counter())
            names.append([])
        actions[-1][entry["action"]] += 1
        if entry["action"] == "accept":
            names[-1].append(entry["file_name"])
    rounds = []
    for counts, of_round in zip(actions, names, strict=True):
        ious, num_missing = [], 0
        for name in of_round:
            for one in truth[name]:
                same = _ious_of_category(photos[name], one)
                num_missing += not same
                ious += [max(same)] if same else []
        num_edits = counts.total() - counts["accept"]
        rounds.append(
            {
                "photos": len(of_round),
                "decisions": dict(sorted(counts.items())),
                "edits_per_photo": round(num_edits / max(1, len(of_round)), 2),
                "garments": len(ious),
                "mean_iou": round(float(np.mean(ious)), 3) if ious else None,
                "missing": num_missing,
            }
        )
    return rounds


def _ious_of_category(photo: ReviewedPhoto, truth: TrueGarment) -> list[float]:
    if photo.review != ACCEPTED:
        return []
    return [
        overlap(masks.mask_from_rle(rle), truth.mask)
        for instance, rle in zip(photo.instances, photo.rles(), strict=True)
        if instance.category == truth.category
    ]
