"""AnnotatedImage -> the values of one example and its ground truth, made in the worker processes.

Keys and meanings are those of Model Garden's TFExample decoder
(official/vision/dataloaders/tf_example_decoder.py).
"""

import hashlib
import io
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from data_prep.annotations import masks
from data_prep.annotations.annotated_image import AnnotatedImage, Instance
from data_prep.prepared import NO_ATTRIBUTES
from data_prep.readers.raw_dataset import Conversion, Converter, RawDataset


@dataclass
class PreparedExample:
    """One worker's result for one record.

    Attributes:
        conversion: with `image` taken out, it lives on in `features`.
        image_id: of the image, None where it was left out.
        features: nested values for the TFDS features.
        image_json: COCO's image entry, as text.
        annotation_jsons: COCO's annotation entries, as text without their opening brace and id.
        category_counts: instances by category id.
        digest: sha256 of the photo and all that is said of it.
        category_attributes: the pairs of category id and attribute id that occur.
        num_crowds: of the instances.
    """

    conversion: Conversion
    image_id: int | None = None
    features: dict = field(default_factory=dict, repr=False)
    image_json: str = ""
    annotation_jsons: tuple[str, ...] = ()
    category_counts: Counter = field(default_factory=Counter)
    digest: bytes = b""
    category_attributes: frozenset[tuple[int, int]] = frozenset()
    num_crowds: int = 0


@dataclass(frozen=True)
class ExampleMaker:
    """(source's name, record) -> PreparedExample; picklable.

    Attributes:
        converters: by the source's name.
        category_names: index 0 is category id 1.
    """

    converters: dict[str, Converter]
    category_names: tuple[str, ...]

    @classmethod
    def of(cls, raw: RawDataset) -> "ExampleMaker":
        """For the records of a data set's sources."""
        return cls({source.name: source.converter for source in raw.sources}, raw.category_names)

    def __call__(self, named_record: tuple[str, Any]) -> PreparedExample:
        """Reads, converts and encodes one record."""
        source_name, record = named_record
        conversion = self.converters[source_name](record)
        image, conversion.image = conversion.image, None
        if image is None:
            return PreparedExample(conversion)
        features = features_from_image(image, self.category_names, source_name)
        annotation_jsons = tuple(_annotation_json(image, i) for i in image.instances)
        image_json = json.dumps(
            {
                "id": image.image_id,
                "width": image.width,
                "height": image.height,
                "file_name": image.file_name,
            }
        )
        digest = hashlib.sha256(image.encoded)
        for text in (image_json, *annotation_jsons):
            digest.update(text.encode())
        return PreparedExample(
            conversion=conversion,
            image_id=image.image_id,
            features=features,
            image_json=image_json,
            annotation_jsons=annotation_jsons,
            category_counts=Counter(i.category_id for i in image.instances),
            category_attributes=frozenset(
                (i.category_id, attribute_id)
                for i in image.instances
                for attribute_id in i.attribute_ids or ()
            ),
            num_crowds=sum(i.is_crowd for i in image.instances),
            digest=digest.digest(),
        )


def features_from_image(
    image: AnnotatedImage, category_names: tuple[str, ...], source_name: str
) -> dict:
    """The example's values; boxes are divided by the image's size, areas are pixels.

    Encoded bytes are file objects, TFDS would take plain ones for a path.
    """
    instances = image.instances
    objects = {
        "bbox": {
            "xmin": [i.bbox.xmin / image.width for i in instances],
            "xmax": [i.bbox.xmax / image.width for i in instances],
            "ymin": [i.bbox.ymin / image.height for i in instances],
            "ymax": [i.bbox.ymax / image.height for i in instances],
        },
        "class": {
            "label": [i.category_id for i in instances],
            "text": [category_names[i.category_id - 1] for i in instances],
        },
        "area": [float(i.area) for i in instances],
        "is_crowd": [int(i.is_crowd) for i in instances],
        "attributes": [_attributes_text(i.attribute_ids) for i in instances],
        "mask": [io.BytesIO(masks.png_from_rle(i.rle)) for i in instances],
    }
    return {
        "image": {
            "encoded": io.BytesIO(image.encoded),
            "height": image.height,
            "width": image.width,
            "filename": image.file_name,
            "source_id": str(image.image_id),
            "source": source_name,
            "object": objects,
        }
    }


def _attributes_text(attribute_ids: tuple[int, ...] | None) -> str:
    if attribute_ids is None:
        return ""
    return "_".join(map(str, attribute_ids)) or NO_ATTRIBUTES


def _annotation_json(image: AnnotatedImage, instance: Instance) -> str:
    entry = {
        "image_id": image.image_id,
        "category_id": instance.category_id,
        "bbox": list(instance.bbox.xywh),
        "area": instance.area,
        "iscrowd": int(instance.is_crowd),
        "segmentation": {
            "size": [image.height, image.width],
            "counts": instance.rle["counts"].decode("ascii"),
        },
    }
    if instance.attribute_ids is not None:
        entry["attribute_ids"] = list(instance.attribute_ids)
    return json.dumps(entry)[1:]
