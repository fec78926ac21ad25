"""The report's pictures: truth beside prediction, as WebP in data URIs."""

import base64
import dataclasses
from collections.abc import Callable, Iterable, Sequence

import cv2
import numpy as np

from tfseg.evaluation.evaluation_run import EvaluationRun
from tfseg.evaluation.instance_matching import rle_from_segmentation
from tfseg.reporting.samples import Sample
from tfseg.structures.detections import Detections, mask_from_rle
from tfseg.structures.image_decoding import decode_photo
from tfseg.structures.mask_geometry import resize_detections
from tfseg.structures.visualize import category_color, draw_detections, draw_outline

_TILE_HW = (200, 150)
_DRAWN_HEIGHT = 540  # names are drawn at this size, and stay legible when shrunk
_PHOTO_HEIGHT = 460
_MAX_ASPECT = 8  # width to height; what is wider is shown lower
_GAP = 4
_QUALITY = 72


def draw_wanted(
    photos: Iterable[tuple[int, bytes]], wanted: dict[int, list[Callable[[np.ndarray], None]]]
) -> None:
    """Decodes each photo that is wanted once, and hands it to all that draw on it.

    Args:
        photos: (image id, encoded photo) of at least the wanted ones; the others are passed over.
        wanted: Functions of the photo's pixels (uint8 RGB), by image id.

    Raises:
        ValueError: A wanted photo is missing or cannot be decoded.
    """
    left = dict(wanted)
    for image_id, encoded in photos:
        if image_id in left:
            try:
                image_rgb = decode_photo(encoded)
            except ValueError as error:
                raise ValueError(f"the photo of image {image_id}: {error}") from None
            for draw in left.pop(image_id):
                draw(image_rgb)
        if not left:
            return
    raise ValueError(
        f"the photo of image {next(iter(left))} is not there ({len(left)} are missing); give the "
        "photos that the ground truth is of."
    )


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture on the page; its size is known before it is decoded, so that nothing moves.

    Attributes:
        uri: A data URI.
        width: Pixels.
        height: Pixels.
    """

    uri: str
    width: int
    height: int


def encode_picture(image_rgb: np.ndarray) -> Picture:
    """Encodes uint8 RGB as WebP."""
    options = [cv2.IMWRITE_WEBP_QUALITY, _QUALITY]
    _, encoded = cv2.imencode(".webp", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), options)
    uri = "data:image/webp;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")
    return Picture(uri, image_rgb.shape[1], image_rgb.shape[0])


def sample_tile(run: EvaluationRun, sample: Sample, image_rgb: np.ndarray) -> np.ndarray:
    """Draws one sample's surroundings twice: left the truth, right what was found.

    Where a detection is of no instance, the left shows all that is there, thinly.

    Returns:
        uint8 RGB, two tiles wide.
    """
    image = run.ground_truth.imgs[sample.image_id]
    size_hw = image["height"], image["width"]
    found: list[tuple[dict, dict]] = []
    truth: list[tuple[dict, dict]] = []
    others: list[tuple[dict, dict]] = []
    for annotation in run.ground_truth.imgToAnns.get(sample.image_id, []):
        entry = rle_from_segmentation(annotation["segmentation"], *size_hw), annotation
        (truth if annotation["id"] == sample.annotation_id else others).append(entry)
    if sample.result_index is not None:
        result = run.coco_results[sample.result_index]
        found = [(run.segmentation_of(result), result)]
    boxes = [entry["bbox"] for _, entry in (*truth, *found)]
    window = _window(boxes, size_hw)
    crop = _crop(image_rgb, window)
    left, right = crop.copy(), crop.copy()
    for rle, annotation in others if sample.annotation_id is None else ():
        _tint(left, rle, window, annotation["category_id"], opacity=0.0)
    for rle, annotation in truth:
        _tint(left, rle, window, annotation["category_id"])
    for rle, result in found:
        _tint(right, rle, window, result["category_id"])
    return _beside(left, right)


def _window(boxes_xywh: list, size_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    """A part of the photo around boxes, of a tile's aspect: top, left, bottom, right; pixels.

    It may pass the photo's edge, where the photo is too narrow for it.
    """
    boxes = np.array(boxes_xywh, float)
    low, high = boxes[:, :2].min(axis=0), (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
    centre, side = (low + high) / 2, (high - low) * 1.35 + 12
    side = np.maximum(side, 0.12 * max(size_hw))
    aspect = _TILE_HW[1] / _TILE_HW[0]
    width = max(side[0], side[1] * aspect)
    height = width / aspect
    left = _slid(centre[0] - width / 2, width, size_hw[1])
    top = _slid(centre[1] - height / 2, height, size_hw[0])
    return round(top), round(left), round(top + height), round(left + width)


def _slid(start: float, length: float, limit: int) -> float:
    """Moves a stretch back onto 0..limit; one that is too long is centred."""
    if length >= limit:
        return (limit - length) / 2
    return min(max(start, 0.0), limit - length)


def _crop(pixels: np.ndarray, window: tuple[int, int, int, int]) -> np.ndarray:
    """Cuts a window out at a tile's size; what passes the photo's edge is grey."""
    top, left, bottom, right = window
    height, width = pixels.shape[:2]
    inside = pixels[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    padded = cv2.copyMakeBorder(
        inside,
        max(-top, 0),
        max(bottom - height, 0),
        max(-left, 0),
        max(right - width, 0),
        cv2.BORDER_CONSTANT,
        value=(128, 128, 128),
    )
    shrinks = padded.shape[0] > _TILE_HW[0]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(padded, _TILE_HW[::-1], interpolation=interpolation)


def _tint(tile: np.ndarray, rle: dict, window, category_id: int, opacity: float = 0.38) -> None:
    """Colours a mask on a tile and draws its contour."""
    mask = _crop(255 * mask_from_rle(rle), window) >= 128
    colour = np.array(category_color(category_id), np.float32)
    tile[mask] = np.rint(tile[mask] * (1 - opacity) + colour * opacity).astype(np.uint8)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    draw_outline(tile, contours, category_color(category_id), 1)


def photo_row(image_rgb: np.ndarray, versions: Sequence[Detections], show_scores) -> np.ndarray:
    """Draws a whole photo several times, side by side, with other detections on each.

    Args:
        image_rgb: uint8 RGB.
        versions: At the photo's size.
        show_scores: For each version, whether scores are written behind the names.
    """
    height, width = image_rgb.shape[:2]
    scale = min(1 / height, _MAX_ASPECT / width)  # WebP ends at 16,383 pixels
    size_hw, shown_hw = (
        tuple(max(1, round(side * scale * drawn)) for side in (height, width))
        for drawn in (_DRAWN_HEIGHT, _PHOTO_HEIGHT)
    )
    resized = cv2.resize(image_rgb, size_hw[::-1], interpolation=cv2.INTER_AREA)
    drawn = [
        draw_detections(
            resized, resize_detections(detections, size_hw), show_boxes=False, show_scores=scores
        )
        for detections, scores in zip(versions, show_scores, strict=True)
    ]
    shown = [cv2.resize(one, shown_hw[::-1], interpolation=cv2.INTER_AREA) for one in drawn]
    return _beside(*shown)


def truth_detections(run: EvaluationRun, image_id: int) -> Detections:
    """Returns an image's instances as detections, to be drawn; their scores are 1."""
    image = run.ground_truth.imgs[image_id]
    size_hw = image["height"], image["width"]
    annotations = run.ground_truth.imgToAnns.get(image_id, [])
    boxes = np.array([a["bbox"] for a in annotations], np.float32).reshape(-1, 4)
    return Detections(
        boxes_yxyx=np.stack(
            [boxes[:, 1], boxes[:, 0], boxes[:, 1] + boxes[:, 3], boxes[:, 0] + boxes[:, 2]], 1
        ),
        scores=np.ones(len(annotations), np.float32),
        category_ids=np.array([a["category_id"] for a in annotations], np.int32),
        category_names=tuple(run.ground_truth.cats[a["category_id"]]["name"] for a in annotations),
        rles=tuple(
            _as_text(rle_from_segmentation(a["segmentation"], *size_hw)) for a in annotations
        ),
        image_size_hw=size_hw,
    )


def _as_text(rle: dict) -> dict:
    counts = rle["counts"]
    return {"size": rle["size"], "counts": counts.decode() if isinstance(counts, bytes) else counts}


def _beside(*pictures: np.ndarray) -> np.ndarray:
    gap = np.full((pictures[0].shape[0], _GAP, 3), 255, np.uint8)
    parts = [pictures[0]]
    for picture in pictures[1:]:
        parts += [gap, picture]
    return np.hstack(parts)
