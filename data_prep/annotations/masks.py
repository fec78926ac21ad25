"""Every mask form to compressed COCO RLE, and back.

An rle here is pycocotools' compressed form, {"size": [height, width], "counts": bytes}; a mask is
uint8 [height, width] of 0 and 1.
"""

import struct
import zlib
from collections.abc import Sequence

import cv2
import deflate
import numpy as np
from pycocotools import mask as coco_mask

from data_prep.annotations.annotated_image import BBox
from tfseg.structures.rle_counts import counts_from_string

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# A palette of the grey levels 0 and 1: TensorFlow's decode_png(channels=1) then gives 0 and 1. A
# plain 1-bit grey PNG would give 0 and 255.
_PNG_PALETTE = bytes([0, 0, 0, 1, 1, 1])
# Within 5 % of libdeflate's slowest level on garments' masks, in a fourteenth of its time.
_DEFLATE_LEVEL = 9


def rle_from_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> dict:
    """Rasterises the union of polygons as COCO does, clipped to the image.

    Args:
        polygons: flat [x0, y0, x1, y1, ...] in pixels, at least 3 points each.
        height: of the image, pixels.
        width: of the image, pixels.
    """
    rles = coco_mask.frPyObjects([list(map(float, p)) for p in polygons], height, width)
    return rles[0] if len(rles) == 1 else coco_mask.merge(rles)


def rle_from_counts(counts: np.ndarray, height: int, width: int) -> dict:
    """Compresses run lengths.

    Args:
        counts: int64 [num_runs], pixels in runs of 0, 1, 0, ... down the columns; none negative,
            height * width together.
        height: of the image, pixels.
        width: of the image, pixels.
    """
    return coco_mask.frPyObjects(
        {"size": [height, width], "counts": counts.tolist()}, height, width
    )


def rle_from_mask(mask: np.ndarray) -> dict:
    """Encodes a mask; anything that is not 0 counts as 1."""
    return coco_mask.encode(np.asfortranarray(mask != 0, dtype=np.uint8))


def mask_from_rle(rle: dict) -> np.ndarray:
    """Decodes to uint8 [height, width] of 0 and 1."""
    return coco_mask.decode(rle)


def bbox_from_rle(rle: dict) -> BBox:
    """The smallest box around the mask, whole pixels; 0 wide for an empty mask."""
    return BBox.from_xywh(*(int(value) for value in coco_mask.toBbox(rle)))


def area_from_rle(rle: dict) -> int:
    """The number of mask pixels."""
    return int(coco_mask.area(rle))


def coco_fields(rle: dict) -> dict:
    """What a COCO annotation says of a mask: segmentation, bbox, area; it is no crowd."""
    return {
        "segmentation": {"size": rle["size"], "counts": rle["counts"].decode("ascii")},
        "bbox": [float(value) for value in coco_mask.toBbox(rle)],
        "area": area_from_rle(rle),
        "iscrowd": 0,
    }


def resized_rle(rle: dict, height: int, width: int) -> dict:
    """Resizes to height x width pixels: 1 where at least half of a pixel's area was.

    Works on the mask's own box, so that a small mask in a photo of 24 megapixels is quick.
    """
    old_height, old_width = rle["size"]
    bbox = bbox_from_rle(rle)
    # sums[y, x]: mask pixels above and left of a corner; linear between corners, so exact there.
    sums = cv2.integral(_mask_in_box(rle, bbox)).astype(np.float64)
    rows, first_row = _corners(bbox.ymin, bbox.ymax, height / old_height)
    columns, first_column = _corners(bbox.xmin, bbox.xmax, width / old_width)
    sums = _linear_at(rows - bbox.ymin, sums)
    sums = _linear_at(columns - bbox.xmin, sums.T).T
    pixel_area = (old_height / height) * (old_width / width)
    covered = np.diff(np.diff(sums, axis=0), axis=1) / pixel_area
    mask = np.zeros((height, width), np.uint8, order="F")
    inside = covered >= 0.5 - 1e-9
    mask[first_row : first_row + inside.shape[0], first_column : first_column + inside.shape[1]] = (
        inside
    )
    return coco_mask.encode(mask)


def _corners(start: float, stop: float, scale: float) -> tuple[np.ndarray, int]:
    """The edges, in old pixels, of the new pixels that start..stop touches, and the first one."""
    first = int(np.floor(start * scale + 1e-9))
    last = int(np.ceil(stop * scale - 1e-9))
    return np.arange(first, last + 1) / scale, first


def _linear_at(positions: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Rows of values at fractional indices; beyond the first and last they stay the same."""
    positions = positions.clip(0, len(values) - 1)
    lower = np.minimum(positions.astype(np.int64), len(values) - 2)
    share = (positions - lower)[:, np.newaxis]
    return values[lower] * (1 - share) + values[lower + 1] * share


def _mask_in_box(rle: dict, bbox: BBox) -> np.ndarray:
    """Decodes uint8 [bbox.height, bbox.width] of 0 and 1; runs outside the box's columns are cut.

    Several times faster than decoding the whole image where that is large.
    """
    height, _ = rle["size"]
    ends = np.cumsum(counts_from_string(rle["counts"]))
    ends = ends.clip(bbox.xmin * height, bbox.xmax * height) - bbox.xmin * height
    values = np.arange(ends.size, dtype=np.uint8) & 1
    columns = np.repeat(values, np.diff(ends, prepend=0)).reshape(int(bbox.width), height)
    return np.ascontiguousarray(columns[:, bbox.ymin : bbox.ymax].T)


def png_from_rle(rle: dict) -> bytes:
    """Encodes as a full-size 1-bit PNG that TensorFlow decodes to 0 and 1.

    Format: https://www.w3.org/TR/png-3/, colour type 3, bit depth 1, no row filter.
    """
    height, width = rle["size"]
    bbox = bbox_from_rle(rle)
    rows = np.zeros((height, 1 + (width + 7) // 8), np.uint8)  # column 0 is the filter type
    first = bbox.xmin // 8
    whole_bytes = bbox._replace(xmin=first * 8)
    packed = np.packbits(_mask_in_box(rle, whole_bytes), axis=1)
    rows[bbox.ymin : bbox.ymax, 1 + first : 1 + first + packed.shape[1]] = packed
    header = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)
    return b"".join(
        (
            _PNG_SIGNATURE,
            _png_chunk(b"IHDR", header),
            _png_chunk(b"PLTE", _PNG_PALETTE),
            _png_chunk(b"IDAT", bytes(deflate.zlib_compress(rows.tobytes(), _DEFLATE_LEVEL))),
            _png_chunk(b"IEND", b""),
        )
    )


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
