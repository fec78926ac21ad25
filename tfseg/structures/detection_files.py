"""The files made of a photo's detections: PICTURE_KINDS, and COCO results.

Both tfseg.predict and serving.client write through here: a kind more in PICTURE_KINDS is a flag of
the one and a value of the other's --write. OpenCV is imported where a picture is drawn: a client
that wants results alone does without it.
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from tfseg.io.atomic_files import whole_file, write_whole
from tfseg.structures.detections import Detections

_JPEG_QUALITY = 90
_PNG_COMPRESSION = 4


@dataclasses.dataclass(frozen=True)
class PictureKind:
    """One kind of picture made of a photo and its detections.

    Attributes:
        name: Of the flag, and of the folder that the pictures go to.
        shows: What one shows, for --help.
        is_default: Whether it is written where nothing is said.
        endings: What follows the photo's name in the files' names, one a picture; .jpg or .png.
        draw: Draws as many: uint8 [height, width, 3 or 4], RGB or RGBA, of the photo (uint8
            [height, width, 3], RGB), its detections and the longest side to keep, pixels.
    """

    name: str
    shows: str
    is_default: bool
    endings: Callable[[Detections], list[str]]
    draw: Callable[[np.ndarray, Detections, int | None], Iterator[np.ndarray]]


def _overlay(
    image_rgb: np.ndarray, detections: Detections, max_side: int | None
) -> Iterator[np.ndarray]:
    from tfseg.structures import mask_geometry, visualize

    if max_side is not None:
        image_rgb, detections = mask_geometry.fit_within(image_rgb, detections, max_side)
    yield visualize.draw_detections(image_rgb, detections)


def _cutout_endings(detections: Detections) -> list[str]:
    from tfseg.structures import cutouts, mask_geometry

    return [f"_{name}.png" for name in cutouts.cutout_names(mask_geometry.with_pixels(detections))]


def _cutouts(
    image_rgb: np.ndarray, detections: Detections, max_side: int | None
) -> Iterator[np.ndarray]:
    from tfseg.structures import cutouts, mask_geometry

    for rle in mask_geometry.with_pixels(detections).rles:
        yield cutouts.cut_out(image_rgb, rle)


OVERLAYS = PictureKind(
    "overlays",
    "masks, boxes, names, scores",
    is_default=True,
    endings=lambda detections: [".jpg"],
    draw=_overlay,
)
CUTOUTS = PictureKind(
    "cutouts",
    "each garment as a transparent PNG",
    is_default=False,
    endings=_cutout_endings,
    draw=_cutouts,
)
PICTURE_KINDS = {kind.name: kind for kind in (OVERLAYS, CUTOUTS)}


@dataclasses.dataclass(frozen=True)
class PhotoPictures:
    """Where the pictures of one photo go.

    Attributes:
        stems: By the kinds that are wanted: the files' paths without their endings.
        overlay_max_side: Longest side of the overlay, pixels; larger photos are drawn smaller.
            None keeps the size.
    """

    stems: Mapping[str, Path]
    overlay_max_side: int | None = None

    def write(self, image_rgb: np.ndarray, detections: Detections) -> list[Path]:
        """Writes what is wanted, each whole or not at all.

        Args:
            image_rgb: uint8 [height, width, 3].
            detections: Found in it.

        Returns:
            The files written.

        Raises:
            ValueError: The photo is not of the size that the model saw.
            WriteError: A file cannot be written.
        """
        if image_rgb.shape[:2] != tuple(detections.image_size_hw):
            raise ValueError(
                f"the image is {image_rgb.shape[1]}x{image_rgb.shape[0]}, but its detections are "
                f"for {detections.image_size_hw[1]}x{detections.image_size_hw[0]}."
            )
        written = []
        for name in self.stems:
            kind = PICTURE_KINDS[name]
            pictures = kind.draw(image_rgb, detections, self.overlay_max_side)
            for pixels, path in zip(pictures, self._paths(kind, detections), strict=True):
                _write(path, pixels)
                written.append(path)
        return written

    def paths(self, detections: Detections) -> list[Path]:
        """Returns the files that write writes."""
        kinds = [PICTURE_KINDS[name] for name in self.stems]
        return [path for kind in kinds for path in self._paths(kind, detections)]

    def _paths(self, kind: PictureKind, detections: Detections) -> list[Path]:
        stem = self.stems[kind.name]
        return [stem.with_name(stem.name + ending) for ending in kind.endings(detections)]


def write_results(path: Path, entries: Iterable[dict]) -> None:
    """Writes COCO results as they come, one a line, whole or not at all.

    Raises:
        WriteError: It cannot be written.
    """
    with whole_file(path, "the detections") as partial, partial.open("w", encoding="utf-8") as file:
        file.write("[")
        for index, entry in enumerate(entries):
            file.write(",\n" if index else "\n")
            file.write(json.dumps(entry))
        file.write("\n]\n")


def _write(path: Path, pixels: np.ndarray) -> None:
    import cv2

    order = cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    options = {
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY],
        ".png": [cv2.IMWRITE_PNG_COMPRESSION, _PNG_COMPRESSION],
    }
    encoded = cv2.imencode(path.suffix, cv2.cvtColor(pixels, order), options[path.suffix])[1]
    write_whole(path, encoded.tobytes(), "a picture")
