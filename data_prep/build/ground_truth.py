"""Writes instances_<split>.json piece by piece: memory does not grow with the data set."""

import json
import shutil
from pathlib import Path


class GroundTruthWriter:
    """COCO ground truth of one split; use as a context manager.

    Images go straight into the file; annotations wait in a second one until the images are all
    there, since a COCO json holds two lists.

    Args:
        path: the json to write.
        category_names: index 0 is category id 1.
        attribute_names: by attribute id; with any, the json has a list `attributes`, as
            Fashionpedia's has, by ascending id.
    """

    def __init__(
        self, path: Path, category_names: tuple[str, ...], attribute_names: dict[int, str]
    ):
        self._path = path
        self._annotations_path = path.with_suffix(".annotations")
        self._category_names = category_names
        self._attribute_names = attribute_names
        self._num_images = 0
        self._num_annotations = 0

    def __enter__(self) -> "GroundTruthWriter":
        self._images = self._path.open("w", encoding="utf-8")
        self._annotations = self._annotations_path.open("w", encoding="utf-8")
        self._images.write('{"images": [')
        return self

    def add(self, image_json: str, annotation_jsons: tuple[str, ...]) -> None:
        """Adds an image; annotation ids are counted from 1."""
        self._images.write(",\n" if self._num_images else "\n")
        self._images.write(image_json)
        self._num_images += 1
        for text in annotation_jsons:
            self._annotations.write(",\n" if self._num_annotations else "\n")
            self._num_annotations += 1
            self._annotations.write(f'{{"id": {self._num_annotations}, {text}')

    def __exit__(self, exception_type, exception, traceback) -> None:
        self._annotations.close()
        if exception_type is None:
            categories = [
                {"id": index, "name": name}
                for index, name in enumerate(self._category_names, start=1)
            ]
            self._images.write('],\n"annotations": [')
            with self._annotations_path.open(encoding="utf-8") as annotations:
                shutil.copyfileobj(annotations, self._images)
            self._images.write(f'],\n"categories": {json.dumps(categories)}')
            if self._attribute_names:
                attributes = [
                    {"id": i, "name": name} for i, name in sorted(self._attribute_names.items())
                ]
                self._images.write(f',\n"attributes": {json.dumps(attributes)}')
            self._images.write("}\n")
        self._images.close()
        self._annotations_path.unlink(missing_ok=True)
