"""Every mask form to compressed COCO RLE, and back.

An rle here is pycocotools' compressed form, {"size": [height, width], "counts": bytes}; a mask is
uint8 [height, width] of 0 and 1.
"""

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco_mask

from data_prep.annotated_image import BBox

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# A palette of the grey levels 0 and 1: TensorFlow's decode_png(channels=1) then gives 0 and 1. A
# plain 1-bit grey PNG would give 0 and 255.
_PNG_PALETTE = bytes([0, 0, 0, 1, 1, 1])


def rle_from_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> dict:
    """Rasterises the union of polygons as COCO does, clipped to the image.

    Args:
        polygons: flat [x0, y0, x1, y1, ...] in pixels, at least 3 points each.
        height: of the image, pixels.
        width: of the image, pixels.
    """
    rles = coco_mask.frPyObjects([list(map(float, p)) for p in polygons], height, width)
    return rles[0] if len(rles) == 1 else coco_mask.merge(rles)


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


def png_from_rle(rle: dict) -> bytes:
    """Encodes as a full-size 1-bit PNG that TensorFlow decodes to 0 and 1.

    Format: https://www.w3.org/TR/png-3/, colour type 3, bit depth 1, no row filter.
    """
    height, width = rle["size"]
    bbox = bbox_from_rle(rle)
    rows = np.zeros((height, 1 + (width + 7) // 8), np.uint8)  # column 0 is the filter type
    first = bbox.xmin // 8
    inside = mask_from_rle(rle)[bbox.ymin : bbox.ymax, first * 8 : bbox.xmax]
    # pycocotools' masks run down columns; packing along rows is eight times faster from a copy.
    packed = np.packbits(np.ascontiguousarray(inside), axis=1)
    rows[bbox.ymin : bbox.ymax, 1 + first : 1 + first + packed.shape[1]] = packed
    header = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)
    return b"".join(
        (
            _PNG_SIGNATURE,
            _png_chunk(b"IHDR", header),
            _png_chunk(b"PLTE", _PNG_PALETTE),
            _png_chunk(b"IDAT", zlib.compress(rows.tobytes(), 6)),
            _png_chunk(b"IEND", b""),
        )
    )


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
