"""Masks as the rows of FGVC6's train.csv (kaggle.com/c/imaterialist-fashion-2019-FGVC6/data)."""

import csv
import io
from collections.abc import Iterable

from tfseg.structures.rle_counts import counts_from_string


def table(photos: Iterable, category_names: list[str]) -> str:
    """Writes a row a mask.

    Args:
        photos: data_prep.auto_mask.store.PhotoMasks.
        category_names: ClassId is a name's place among these, from 0.
    """
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(["ImageId", "EncodedPixels", "Height", "Width", "ClassId"])
    class_ids = {name: i for i, name in enumerate(category_names)}
    for photo in photos:
        for product, rle in zip(photo.products, photo.rles(), strict=True):
            encoded = encoded_pixels_from_rle(rle)
            class_id = class_ids[product.category]
            writer.writerow([photo.file_name, encoded, photo.height, photo.width, class_id])
    return rows.getvalue()


def encoded_pixels_from_rle(rle: dict) -> str:
    """Run lengths: "start length start length ...", down the columns, counted from 1."""
    runs = counts_from_string(rle["counts"])
    ends = runs.cumsum()
    pairs = zip(ends[:-1:2] + 1, runs[1::2], strict=False)
    return " ".join(f"{start} {length}" for start, length in pairs)
