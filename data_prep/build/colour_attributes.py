"""Adds the names of garments' colours, read off the photo, to a raw data set's attributes."""

import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from data_prep.annotations.annotated_image import Instance
from data_prep.annotations.colour_names import garment_colours
from data_prep.readers.raw_dataset import Conversion, Converter, RawDataset
from tfseg.structures.colour_terms import COLOUR_NAMES


@dataclass(frozen=True)
class ColourConverter:
    """Another converter's images with the colours of their garments as attributes.

    Attributes:
        inner: makes the image.
        first_id: attribute id of COLOUR_NAMES[0], the others follow it.
        has_own: whether the data set has attributes of its own. Then an instance that is not
            annotated stays so: with its colours alone it would pass for one without any of the
            others.
    """

    inner: Converter
    first_id: int
    has_own: bool

    def __call__(self, record: Any) -> Conversion:
        """Converts the record; crowds get no colours, they are of many garments."""
        conversion = self.inner(record)
        image = conversion.image
        if image is None or not any(map(self._is_coloured, image.instances)):
            return conversion
        photo_rgb = np.asarray(Image.open(io.BytesIO(image.encoded)).convert("RGB"))
        instances = tuple(
            self._coloured(instance, photo_rgb) if self._is_coloured(instance) else instance
            for instance in image.instances
        )
        conversion.image = replace(image, instances=instances)
        return conversion

    def _is_coloured(self, instance: Instance) -> bool:
        is_known = instance.attribute_ids is not None or not self.has_own
        return is_known and not instance.is_crowd

    def _coloured(self, instance: Instance, photo_rgb: np.ndarray) -> Instance:
        names = garment_colours(photo_rgb, instance.rle)
        ids = {self.first_id + COLOUR_NAMES.index(name) for name in names}
        return replace(
            instance, attribute_ids=tuple(sorted({*(instance.attribute_ids or ()), *ids}))
        )


def with_colour_attributes(raw: RawDataset) -> RawDataset:
    """Returns the data set with colours as further attributes, their ids after its own.

    Args:
        raw: whose sources are changed.
    """
    own = raw.attribute_names
    first_id = max(own, default=-1) + 1
    for source in raw.sources:
        source.converter = ColourConverter(source.converter, first_id, has_own=bool(own))
    return replace(raw, attribute_names={**own, **dict(enumerate(COLOUR_NAMES, start=first_id))})
