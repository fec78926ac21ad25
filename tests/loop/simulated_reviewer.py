"""A reviewer who knows the truth and works through the review page's own requests.

What a page sends when a person presses a key, this sends; what a page is told (outlines, scores,
which garments are doubtful) is all that is known of a prediction.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pycocotools import mask as coco_mask

from tests.data_prep.review.review_process import reviewing
from tests.loop.drawing import (
    TrueGarment,
    box_around,
    brush_widths,
    mask_within,
    mending_strokes,
    overlap,
)
from tests.loop.review_page import RefusedRequest, ReviewPage

_LEAST_IOU = 0.5  # of a prediction that is taken for a garment
_GOOD_IOU = 0.8  # of a mask that is left as it is
_PAIRS = ("footwear", "boots")


class Page(Protocol):
    """What a reviewer works on: ReviewPage, or one in a browser."""

    def photos(self) -> dict[str, Any]:
        """All photos in order, and how far the review is."""

    def show(self, name: str) -> dict[str, Any]:
        """A photo with its garments."""

    def decide(self, photo: dict[str, Any], action: str, **asked: Any) -> dict[str, Any]:
        """Changes a photo as it is shown; gives it as it is then."""


def true_garments(ground_truth_path: Path) -> dict[str, list[TrueGarment]]:
    """The garments of a COCO json by file name."""
    content = json.loads(ground_truth_path.read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    files = {image["id"]: image["file_name"] for image in content["images"]}
    garments: dict[str, list[TrueGarment]] = {name: [] for name in files.values()}
    for one in content["annotations"]:
        garment = TrueGarment(names[one["category_id"]], coco_mask.decode(one["segmentation"]))
        garments[files[one["image_id"]]].append(garment)
    return garments


def review_next(
    review_dir: Path, truth: Mapping[str, Sequence[TrueGarment]], num_decided: int
) -> None:
    """Starts the page's server and decides on photos in the page's order.

    Args:
        review_dir: of tfseg.predict.
        truth: by file name; masks at the photos' size.
        num_decided: photos decided in the end, those of earlier reviews too.
    """
    with reviewing(review_dir) as (_, url):
        review_listed(ReviewPage(url), truth, num_decided)


def review_listed(page: Page, truth: Mapping[str, Sequence[TrueGarment]], num_decided: int) -> None:
    """As review_next, on a page that is there."""
    listed = page.photos()
    pending = [one["name"] for one in listed["photos"] if one["review"] == "pending"]
    todo = pending[: max(0, num_decided - listed["num_decided"])]
    for number, name in enumerate(todo, start=1):
        progress = Reviewer(page, name, truth[name]).review()
        if number % 10 == 0 or number == len(todo):
            print(
                f"reviewed {progress['num_decided']} of {progress['num_photos']} photos, "
                f"{progress['num_decisions']} decisions",
                flush=True,
            )


class Reviewer:
    """Corrects one photo.

    Args:
        page: the requests.
        name: of the photo.
        truths: its garments.
    """

    def __init__(self, page: Page, name: str, truths: Sequence[TrueGarment]):
        self._page = page
        self._truths = list(truths)
        self._photo = page.show(name)

    def review(self) -> dict[str, Any]:
        """Corrects all that is wrong, then accepts; gives the last answer."""
        self._split_pairs()
        targets = self._delete_wrong(matched(self._masks(), self._categories(), self._truths))
        for index, target in enumerate(targets):
            if self._categories()[index] != self._truths[target].category:
                self._do("category", index=index, category=self._truths[target].category)
        for target, truth in enumerate(self._truths):
            if target not in targets and self._add(truth):
                targets.append(target)
        for index, target in enumerate(targets):
            self._mend(index, self._truths[target])
        self._do("accept")
        return self._photo

    def _do(self, action: str, **asked: Any) -> None:
        self._photo = self._page.decide(self._photo, action, **asked)

    def _masks(self) -> list[np.ndarray]:
        size_hw = self._photo["height"], self._photo["width"]
        return [mask_within(one["contours"], size_hw) for one in self._photo["garments"]]

    def _categories(self) -> list[str]:
        return [one["category"] for one in self._photo["garments"]]

    def _split_pairs(self) -> None:
        """Splits what is two shoes, where its outline is of several pieces."""
        shoes = [one.mask for one in self._truths if one.category in _PAIRS]
        if len(shoes) != 2:
            return
        for index in reversed(range(len(self._photo["garments"]))):
            mask, garment = self._masks()[index], self._photo["garments"][index]
            is_pair = overlap(mask, shoes[0] | shoes[1]) > _LEAST_IOU and all(
                (mask & shoe).sum() > 0.5 * shoe.sum() for shoe in shoes
            )
            if is_pair and len(garment["contours"]) > 1:
                try:
                    self._do("split", index=index)
                except RefusedRequest as refused:
                    if "one piece" not in str(refused):  # of a hole, or crumbs
                        raise

    def _delete_wrong(self, targets: list[int | None]) -> list[int]:
        """Deletes what is no garment; all doubtful ones at once where none of them is right."""
        doubtful = [i for i, one in enumerate(self._photo["garments"]) if one["is_doubtful"]]
        if len(doubtful) > 1 and all(targets[i] is None for i in doubtful):
            self._do("trim")
            targets = [target for i, target in enumerate(targets) if i not in doubtful]
        for index in reversed(range(len(targets))):
            if targets[index] is None:
                self._do("delete", index=index)
        return [target for target in targets if target is not None]

    def _add(self, truth: TrueGarment) -> bool:
        """Boxes a missed garment, or paints one of which the box finds nothing."""
        marks = [box_around(truth.mask)]
        try:
            self._do("add", category=truth.category, marks=marks, is_exact=False)
        except RefusedRequest:
            strokes = mending_strokes(np.zeros_like(truth.mask), truth.mask, 2)
            if not strokes:
                return False  # thinner than the finest brush
            self._do("add", category=truth.category, marks=strokes, is_exact=True)
        return True

    def _mend(self, index: int, truth: TrueGarment) -> None:
        """Paints what is missing and what is too much, with finer brushes till it is good."""
        for width in brush_widths(self._photo["height"], self._photo["width"]):
            mask = self._masks()[index]
            if overlap(mask, truth.mask) >= _GOOD_IOU:
                return
            strokes = mending_strokes(mask, truth.mask, width)
            if strokes:
                self._do("redraw", index=index, marks=strokes, is_exact=True)


def matched(
    masks: Sequence[np.ndarray], categories: Sequence[str], truths: Sequence[TrueGarment]
) -> list[int | None]:
    """Which true garment each predicted one is; those of its own category first, then by IoU.

    Args:
        masks: uint8 [height, width] of the predictions.
        categories: theirs.
        truths: masks likewise.

    Returns:
        Of each prediction the place of a true garment, none of them twice; None: it is none.
    """
    pairs = []
    for i, (mask, category) in enumerate(zip(masks, categories, strict=True)):
        for j, truth in enumerate(truths):
            iou = overlap(mask, truth.mask)
            if iou >= _LEAST_IOU:
                pairs.append((category == truth.category, iou, i, j))
    targets: list[int | None] = [None] * len(masks)
    for _, _, i, j in sorted(pairs, reverse=True):
        if targets[i] is None and j not in targets:
            targets[i] = j
    return targets
