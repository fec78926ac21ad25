"""Masks as polygons for formats that hold nothing else, and what that costs."""

from collections import Counter
from dataclasses import dataclass, field

from pycocotools import mask as coco_mask

from data_prep.annotations import masks
from data_prep.annotations.polygons import joined_polygon, polygons_from_mask
from data_prep.convert.label_set import Label

Polygons = list[list[float]]


@dataclass
class Losses:
    """What a writer could not hold.

    Attributes:
        polygon_ious: of each mask written as polygons, with what these draw.
        changed: annotations that lost something, by what they lost.
        joins_parts: whether each garment is one polygon, for tools that read its first alone.
    """

    polygon_ious: list[float] = field(default_factory=list)
    changed: Counter[str] = field(default_factory=Counter)
    joins_parts: bool = False

    def polygons(self, label: Label, num_digits: int = 2) -> Polygons:
        """The source's own polygons, else the traced mask's; empty where there is nothing to draw.

        Args:
            label: the garment.
            num_digits: of a coordinate behind the point, as they are written.
        """
        polygons = _polygons(label, num_digits)
        if self.joins_parts and len(polygons) > 1:
            polygons = [joined_polygon(polygons)]
        self._measure(polygons, label)
        return polygons

    def one_polygon(
        self, label: Label, num_digits: int = 2, stays_inside: bool = False
    ) -> list[float]:
        """All parts of a garment as one polygon, there and back between them; or empty.

        Args:
            label: the garment.
            num_digits: as of `polygons`.
            stays_inside: moves points beyond the photo's edge onto it.
        """
        polygons = _polygons(label, num_digits)
        joined = joined_polygon(polygons) if polygons else []
        if stays_inside:
            height, width = label.instance.rle["size"]
            sides = (width, height) * (len(joined) // 2)
            joined = [min(max(v, 0.0), side) for v, side in zip(joined, sides, strict=True)]
        self._measure([joined] if joined else [], label)
        return joined

    def count_unheld(self, label: Label, has_crowds: bool = False) -> None:
        """Counts what a garment loses beside its mask: attributes, and that it is a crowd."""
        if label.instance.is_crowd and not has_crowds:
            self.changed["crowd written as a garment like any other"] += 1
        if label.instance.attribute_ids:
            self.changed["attributes left out"] += 1

    def _measure(self, polygons: Polygons, label: Label) -> None:
        rle = label.instance.rle
        if not polygons:
            self.polygon_ious.append(0.0)
            self.changed["mask of too few pixels for a polygon, left out"] += 1
            return
        drawn = masks.rle_from_polygons(polygons, *rle["size"])
        self.polygon_ious.append(float(coco_mask.iou([drawn], [rle], [False])[0, 0]))


def _polygons(label: Label, num_digits: int) -> Polygons:
    polygons = label.polygons or polygons_from_mask(masks.mask_from_rle(label.instance.rle))
    return [[round(float(value), num_digits) for value in polygon] for polygon in polygons]
