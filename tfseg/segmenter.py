"""Garments in one's own photos, in Python.

from tfseg import Segmenter

segmenter = Segmenter()  # the model in the box; Segmenter("EXPORT/fashion") for one's own
detections = segmenter.detect("photo.jpg")
detections.category_names, detections.scores, detections.boxes_yxyx, detections.masks
"""

import os
import sys
from collections.abc import Sequence

from tfseg.io import tensorflow_log
from tfseg.structures import photo_pixels
from tfseg.structures.detections import Detections, detections_from_outputs
from tfseg.zoo.packaged_models import DEFAULT_MODEL


class Segmenter:
    """Finds the garments in photos: category, box and mask of each.

    Attributes:
        category_names: What it knows, by category id - 1.
    """

    def __init__(self, model: str = DEFAULT_MODEL):
        """Loads a model; TensorFlow's import takes some seconds.

        Args:
            model: A model in the box by name, or a folder: one that tfseg.export wrote (a version,
                or the folder of the versions), or one that tfseg.train wrote.

        Raises:
            ValueError: There is no such model.
        """
        if "tensorflow" not in sys.modules and "TF_CPP_MIN_LOG_LEVEL" not in os.environ:
            tensorflow_log.quiet()  # a dozen lines that tell a user of this class nothing
        from tfseg.inference import detector

        self._detector = detector.open_detector(str(model))
        self.category_names = self._detector.category_names

    def detect(self, photos, score_threshold: float | None = None):
        """Finds the garments of a photo, or of each photo of a list.

        Args:
            photos: A photo as path, bytes, PIL image or uint8 array (RGB, [height, width, 3]); or
                a list or tuple of photos, of any sizes.
            score_threshold: Leave out what scores below it; by default the model's own thresholds.

        Returns:
            structures.detections.Detections in the photo's own upright pixels, best score first;
            a list of them for a list.

        Raises:
            ValueError: A photo cannot be read or decoded; its place in the list is named.
        """
        if not isinstance(photos, list | tuple):
            return self._detect_all([photos], score_threshold)[0]
        return self._detect_all(photos, score_threshold)

    def _detect_all(self, photos: Sequence, score_threshold: float | None) -> list[Detections]:
        found = []
        for start in range(0, len(photos), _PHOTOS_A_CALL):
            part = [
                photo_pixels.bytes_of(photo) for photo in photos[start : start + _PHOTOS_A_CALL]
            ]
            outputs = self._detector.detect(part, score_threshold)
            for index in range(len(part)):
                try:
                    found.append(detections_from_outputs(outputs, index))
                except ValueError as error:
                    raise ValueError(f"photo {start + index}: {error}") from None
        return found


_PHOTOS_A_CALL = 8
