"""The garments found in one photo, in numpy; imports neither TensorFlow nor the model."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from pycocotools import mask as coco_mask

from tfseg.structures.rle_counts import counts_from_string

_REPLY_KEYS = (
    "ok",
    "error",
    "num_detections",
    "boxes_yxyx",
    "class_ids",
    "class_names",
    "scores",
    "mask_rle",
    "image_size_hw",
)


@dataclasses.dataclass(frozen=True, eq=False)
class Detections:
    """The detections of one photo, best score first where they come from the model.

    Attributes:
        boxes_yxyx: float32 [num_detections, 4], (ymin, xmin, ymax, xmax), photo pixels.
        scores: float32 [num_detections], 0..1.
        category_ids: int32 [num_detections], from 1.
        category_names: A name for each detection.
        rles: A COCO RLE for each detection, {"size": [height, width], "counts": str}, compressed,
            at the photo's full size.
        image_size_hw: The photo's height and width.
        attributes: For each detection the attributes that it is said to have, (name, score 0..1),
            best first; () where the model knows none.
        attribute_scores: float32 [num_detections, num_attributes], 0..1, of every attribute; None
            where the model knows none or does not tell.
    """

    boxes_yxyx: np.ndarray
    scores: np.ndarray
    category_ids: np.ndarray
    category_names: tuple[str, ...]
    rles: tuple[dict, ...]
    image_size_hw: tuple[int, int]
    attributes: tuple[tuple[tuple[str, float], ...], ...] = ()
    attribute_scores: np.ndarray | None = None

    def __post_init__(self):
        lengths = [
            len(self.boxes_yxyx),
            len(self.scores),
            len(self.category_ids),
            len(self.category_names),
            len(self.rles),
        ]
        lengths += [len(self.attributes)] if self.attributes else []
        lengths += [] if self.attribute_scores is None else [len(self.attribute_scores)]
        if len(set(lengths)) > 1 or np.shape(self.boxes_yxyx) != (lengths[0], 4):
            raise ValueError(
                f"detections: got lengths {lengths} and boxes of shape "
                f"{np.shape(self.boxes_yxyx)}; expected one of each per detection, boxes [n, 4]."
            )

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def masks(self) -> np.ndarray:
        """bool [num_detections, height, width], true inside the garment; decoded at each call."""
        return self.decode_masks() > 0

    def decode_masks(self) -> np.ndarray:
        """Returns uint8 [num_detections, height, width], 1 inside the garment.

        Raises:
            ValueError: An RLE is damaged.
        """
        decoded = np.zeros((len(self), *self.image_size_hw), np.uint8)
        for mask, rle in zip(decoded, self.rles, strict=True):
            mask[...] = mask_from_rle(rle)
        return decoded

    def select(self, chosen: np.ndarray) -> "Detections":
        """Returns the chosen detections.

        Args:
            chosen: bool [num_detections], or integers: which ones, in which order.
        """
        chosen = np.arange(len(self))[chosen]
        return dataclasses.replace(
            self,
            boxes_yxyx=self.boxes_yxyx[chosen],
            scores=self.scores[chosen],
            category_ids=self.category_ids[chosen],
            category_names=tuple(self.category_names[i] for i in chosen),
            rles=tuple(self.rles[i] for i in chosen),
            attributes=tuple(self.attributes[i] for i in chosen) if self.attributes else (),
            attribute_scores=None
            if self.attribute_scores is None
            else self.attribute_scores[chosen],
        )

    def keep(self, score_threshold: float) -> "Detections":
        """Returns the detections that score at least `score_threshold`."""
        return self.select(self.scores >= score_threshold)

    def draw(self, photo, **choices) -> np.ndarray:
        """Draws masks, contours, boxes and names over the photo they were found in.

        Args:
            photo: As photo_pixels.pixels_of takes it.
            **choices: visualize.draw_detections'.

        Returns:
            uint8 [k * height, k * width, 3] RGB; small photos are enlarged (k > 1).
        """
        from tfseg.structures import photo_pixels, visualize

        return visualize.draw_detections(photo_pixels.pixels_of(photo), self, **choices)

    def cutouts(self, photo) -> dict[str, np.ndarray]:
        """Cuts each garment out of the photo.

        Args:
            photo: As photo_pixels.pixels_of takes it.

        Returns:
            By name ("dress", or "footwear-1", "footwear-2" where several), uint8
            [rows, columns, 4] RGBA around the mask, its edge soft.
        """
        from tfseg.structures import cutouts, mask_geometry, photo_pixels

        pixels, found = photo_pixels.pixels_of(photo), mask_geometry.with_pixels(self)
        names = cutouts.cutout_names(found)
        return {
            name: cutouts.cut_out(pixels, rle) for name, rle in zip(names, found.rles, strict=True)
        }

    def to_supervision(self):
        """Returns the same as supervision.Detections: xyxy, bool masks, scores, class_id from 0.

        Raises:
            ImportError: The package supervision is not installed.
        """
        import supervision

        return supervision.Detections(
            xyxy=self.boxes_yxyx[:, [1, 0, 3, 2]].astype(np.float32),
            mask=self.masks,
            confidence=self.scores.astype(np.float32),
            class_id=self.category_ids.astype(int) - 1,
            data={"class_name": np.array(self.category_names, dtype=str)},
        )

    def to_coco(self, image_id: int = 1) -> list[dict]:
        """Returns one entry per detection in COCO's results format; see to_coco_results."""
        return self.to_coco_results(image_id)

    def to_coco_results(self, image_id: int, with_attribute_scores: bool = False) -> list[dict]:
        """Returns one entry per detection in COCO's results format, plus its category's name.

        Format: https://cocodataset.org/#format-results; bbox is [x, y, width, height]. Where the
        model knows attributes, `attributes` lists {"name", "score"} of those that it has.

        Args:
            image_id: Of the photo.
            with_attribute_scores: Also the scores of all attributes, a list of floats.
        """
        results: list[dict] = []
        for index, rle in enumerate(self.rles):
            ymin, xmin, ymax, xmax = (float(edge) for edge in self.boxes_yxyx[index])
            results.append(
                {
                    "image_id": image_id,
                    "category_id": int(self.category_ids[index]),
                    "category_name": self.category_names[index],
                    "bbox": [xmin, ymin, xmax - xmin, ymax - ymin],
                    "score": float(self.scores[index]),
                    "segmentation": {"size": list(rle["size"]), "counts": rle["counts"]},
                }
            )
            if self.attributes:
                results[-1]["attributes"] = [
                    {"name": name, "score": score} for name, score in self.attributes[index]
                ]
            if with_attribute_scores and self.attribute_scores is not None:
                scores = self.attribute_scores[index]
                results[-1]["attribute_scores"] = [round(float(score), 4) for score in scores]
        return results


def mask_from_rle(rle: dict) -> np.ndarray:
    """Decodes a COCO RLE.

    Args:
        rle: {"size": [height, width], "counts": compressed str or bytes}.

    Returns:
        uint8 [height, width], 1 inside.

    Raises:
        ValueError: The runs do not add up to the size.
    """
    height, width = rle["size"]
    return coco_mask.decode({"size": [height, width], "counts": checked_counts(rle)})


def checked_counts(rle: dict) -> bytes:
    """Returns a COCO RLE's compressed counts.

    pycocotools trusts them: on others it reads past its buffers or never comes back.

    Raises:
        ValueError: The runs do not add up to the size.
    """
    height, width = rle["size"]
    counts = rle["counts"]
    counts = counts.encode("ascii") if isinstance(counts, str) else counts
    try:
        num_pixels = counts_from_string(counts).sum()
        problem = "" if num_pixels == height * width else f"its runs cover {num_pixels} pixels"
    except ValueError as error:
        problem = str(error)
    if problem:
        raise ValueError(
            f"mask RLE {counts[:20]!r}: {problem}, expected {height} x {width}; the RLE is damaged "
            "or belongs to another photo."
        )
    return counts


def detections_from_outputs(outputs: Mapping[str, np.ndarray], index: int) -> Detections:
    """Reads one photo of a served reply (serving_module.ServingModule describes it).

    Args:
        outputs: numpy arrays by output name; strings as bytes.
        index: Which photo of the batch.

    Raises:
        ValueError: The photo could not be decoded by the server (its reason is passed on), or an
            output is missing.
    """
    missing = [key for key in _REPLY_KEYS if key not in outputs]
    if missing:
        raise ValueError(
            f"the model's reply has no {', '.join(missing)}, only {', '.join(sorted(outputs))}; "
            "expected a model written by tfseg.export."
        )
    if not outputs["ok"][index]:
        raise ValueError(f"image {index} of the request: {_text(outputs['error'][index])}.")
    num_detections = int(outputs["num_detections"][index])
    height, width = (int(side) for side in outputs["image_size_hw"][index])
    return Detections(
        boxes_yxyx=np.asarray(outputs["boxes_yxyx"][index][:num_detections], np.float32),
        scores=np.asarray(outputs["scores"][index][:num_detections], np.float32),
        category_ids=np.asarray(outputs["class_ids"][index][:num_detections], np.int32),
        category_names=tuple(map(_text, outputs["class_names"][index][:num_detections])),
        rles=tuple(
            {"size": [height, width], "counts": _text(counts)}
            for counts in outputs["mask_rle"][index][:num_detections]
        ),
        image_size_hw=(height, width),
        **_attributes(outputs, index, num_detections),
    )


def _attributes(outputs: Mapping[str, np.ndarray], index: int, num_detections: int) -> dict:
    """Detections' fields of attributes; models without an attribute head answer none."""
    if "attributes" not in outputs:
        return {}
    said = []
    for text in map(_text, outputs["attributes"][index][:num_detections]):
        pairs = (line.rsplit(" ", 1) for line in text.splitlines())
        said.append(tuple((name, float(score)) for name, score in pairs))
    if "attribute_scores" not in outputs:
        return {"attributes": tuple(said)}
    scores = outputs["attribute_scores"][index][:num_detections]
    return {
        "attributes": tuple(said),
        "attribute_scores": np.asarray(scores, np.float32) / 255,
    }


def detections_from_coco_results(
    results: Sequence[dict], image_size_hw: tuple[int, int], category_names: Sequence[str] = ()
) -> Detections:
    """Reads one photo's entries of a COCO results list; the opposite of `to_coco_results`.

    Args:
        results: Entries of one photo with category_id, bbox, score and segmentation (RLE).
        image_size_hw: The photo's height and width.
        category_names: Names by category id - 1, for entries without a category_name.

    Raises:
        ValueError: An entry lacks a field, or its category has no name.
    """
    boxes_yxyx = np.zeros((len(results), 4), np.float32)
    names = []
    for index, result in enumerate(results):
        missing = {"category_id", "bbox", "score", "segmentation"} - result.keys()
        if missing:
            raise ValueError(
                f"COCO result {index}: no {', '.join(sorted(missing))}; got "
                f"{', '.join(sorted(result))}."
            )
        x, y, width, height = result["bbox"]
        boxes_yxyx[index] = (y, x, y + height, x + width)
        category_id = result["category_id"]
        if "category_name" not in result and not 1 <= category_id <= len(category_names):
            raise ValueError(
                f"COCO result {index}: category_id {category_id} has no name; expected 1 to "
                f"{len(category_names)}."
            )
        names.append(result.get("category_name") or category_names[category_id - 1])
    return Detections(
        boxes_yxyx=boxes_yxyx,
        scores=np.array([result["score"] for result in results], np.float32),
        category_ids=np.array([result["category_id"] for result in results], np.int32),
        category_names=tuple(names),
        rles=tuple(
            {**result["segmentation"], "counts": _text(result["segmentation"]["counts"])}
            for result in results
        ),
        image_size_hw=(image_size_hw[0], image_size_hw[1]),
        attributes=_attributes_of_results(results),
        attribute_scores=_attribute_scores_of_results(results),
    )


def _attributes_of_results(results: Sequence[dict]) -> tuple:
    if not any("attributes" in result for result in results):
        return ()
    return tuple(
        tuple((one["name"], one["score"]) for one in result.get("attributes", ()))
        for result in results
    )


def _attribute_scores_of_results(results: Sequence[dict]) -> np.ndarray | None:
    if not results or not all("attribute_scores" in result for result in results):
        return None
    lengths = {len(result["attribute_scores"]) for result in results}
    if len(lengths) > 1:
        raise ValueError(
            f"COCO results of one photo: got {' and '.join(map(str, sorted(lengths)))} "
            "attribute_scores; expected as many in each, one for every attribute of the model."
        )
    return np.array([result["attribute_scores"] for result in results], np.float32)


def _text(value) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
