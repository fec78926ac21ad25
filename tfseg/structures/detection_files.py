"""The files made of a photo's detections: overlay, cutouts, COCO results.

Both tfseg.predict and serving.client write through here: another kind of output has one place.
OpenCV is imported where a picture is drawn: a client that wants results alone does without it.
"""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tfseg.io.atomic_files import whole_file, write_whole
from tfseg.structures.detections import Detections

_JPEG_QUALITY = 90
_PNG_COMPRESSION = 4


@dataclasses.dataclass(frozen=True)
class PhotoPictures:
    """Where the pictures of one photo go.

    Attributes:
        overlay_path: Of the photo with everything drawn on it; None: not wanted.
        cutout_stem: Each garment goes to <cutout_stem>_<its name>.png; None: not wanted.
        overlay_max_side: Longest side of the overlay, pixels; larger photos are drawn smaller.
            None keeps the size.
    """

    overlay_path: Path | None
    cutout_stem: Path | None
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
        import cv2

        from tfseg.structures import cutouts, mask_geometry, visualize

        if image_rgb.shape[:2] != tuple(detections.image_size_hw):
            raise ValueError(
                f"the image is {image_rgb.shape[1]}x{image_rgb.shape[0]}, but its detections are "
                f"for {detections.image_size_hw[1]}x{detections.image_size_hw[0]}."
            )
        if self.overlay_path:
            shown = image_rgb, detections
            if self.overlay_max_side is not None:
                shown = mask_geometry.fit_within(image_rgb, detections, self.overlay_max_side)
            bgr = cv2.cvtColor(visualize.draw_detections(*shown), cv2.COLOR_RGB2BGR)
            _write(self.overlay_path, bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        if self.cutout_stem:
            options = [cv2.IMWRITE_PNG_COMPRESSION, _PNG_COMPRESSION]
            rles = mask_geometry.with_pixels(detections).rles
            for rle, path in zip(rles, self._cutout_paths(detections), strict=True):
                bgra = cv2.cvtColor(cutouts.cut_out(image_rgb, rle), cv2.COLOR_RGBA2BGRA)
                _write(path, bgra, options)
        return self.paths(detections)

    def paths(self, detections: Detections) -> list[Path]:
        """Returns the files that write writes."""
        overlays = [self.overlay_path] if self.overlay_path else []
        return overlays + self._cutout_paths(detections)

    def _cutout_paths(self, detections: Detections) -> list[Path]:
        stem = self.cutout_stem
        if stem is None:
            return []
        from tfseg.structures import cutouts, mask_geometry

        names = cutouts.cutout_names(mask_geometry.with_pixels(detections))
        return [stem.with_name(f"{stem.name}_{name}.png") for name in names]


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


def _write(path: Path, pixels: np.ndarray, options: list[int]) -> None:
    import cv2

    write_whole(path, cv2.imencode(path.suffix, pixels, options)[1].tobytes(), "a picture")
