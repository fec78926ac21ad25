"""The attributes of an image's detections and instances, looked up in results and ground truth.

Attributes stand in the order of their ids.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from tfseg.evaluation.instance_matching import ImageMatches
from tfseg.structures.thresholds import DEFAULT_ATTRIBUTE_THRESHOLD


@dataclasses.dataclass(frozen=True, eq=False)
class ImageAttributes:
    """The attributes of one image's detections and instances, in the order of its ImageMatches.

    Attributes:
        scores: float64 [num_detections, num_attributes], 0..1; of detections that come with ids
            alone, 1 or 0.
        said: bool [num_detections, num_attributes], what the detection is said to have.
        truth: bool [num_instances, num_attributes].
        is_annotated: bool [num_instances]; where not, nobody knows what the instance has.
    """

    scores: np.ndarray
    said: np.ndarray
    truth: np.ndarray
    is_annotated: np.ndarray


def attribute_names(ground_truth) -> dict[int, str]:
    """Returns the names by id, ascending; ids for names where the ground truth lists none."""
    listed = {int(a["id"]): str(a["name"]) for a in ground_truth.dataset.get("attributes", ())}
    used = {i for a in ground_truth.anns.values() for i in a.get("attribute_ids") or ()}
    return dict(sorted({**{i: str(i) for i in used}, **listed}.items()))


def has_attributes(ground_truth, coco_results: Sequence[dict]) -> bool:
    """Whether an instance's attributes are annotated, and a detection's are told."""
    is_told = any({"attribute_ids", "attribute_scores"} & result.keys() for result in coco_results)
    annotations = ground_truth.anns.values()
    return is_told and any(a.get("attribute_ids") is not None for a in annotations)


def attributes_of_image(
    image: ImageMatches,
    ground_truth,
    coco_results: Sequence[dict],
    thresholds: Mapping[int, float],
) -> ImageAttributes:
    """Looks up the attributes of an image's detections and instances.

    Args:
        image: Of these results.
        ground_truth: Its annotations have `attribute_ids` where they are annotated.
        coco_results: With `attribute_ids`, what is said; with `attribute_scores` (one for each
            attribute of the ground truth), what is said at the thresholds; with both, the ids are
            what is said. With neither, nothing is said.
        thresholds: By attribute id; .5 where there is none.

    Raises:
        ValueError: There are not as many scores as attributes, or an id is unknown.
    """
    positions = {number: i for i, number in enumerate(attribute_names(ground_truth))}
    least = np.array([thresholds.get(number, DEFAULT_ATTRIBUTE_THRESHOLD) for number in positions])
    scores = np.zeros((len(image.scores), len(positions)))
    said = np.zeros(scores.shape, bool)
    for row, index in enumerate(image.result_indices):
        result = coco_results[index]
        if "attribute_scores" in result:
            scores[row] = _checked_scores(result, index, len(positions))
            said[row] = scores[row] >= least
        if result.get("attribute_ids") is not None:
            said[row] = _multi_hot(result["attribute_ids"], positions, f"detection {index}")
            if "attribute_scores" not in result:
                scores[row] = said[row]
    truth = np.zeros((len(image.annotation_ids), len(positions)), bool)
    annotations = [ground_truth.anns[int(number)] for number in image.annotation_ids]
    for row, annotation in enumerate(annotations):
        ids = annotation.get("attribute_ids") or ()
        truth[row] = _multi_hot(ids, positions, f"annotation {annotation['id']}")
    is_annotated = [annotation.get("attribute_ids") is not None for annotation in annotations]
    return ImageAttributes(scores, said, truth, np.array(is_annotated, bool))


def _checked_scores(result: dict, index: int, num_attributes: int) -> list[float]:
    scores = result["attribute_scores"]
    if len(scores) != num_attributes:
        raise ValueError(
            f"detection {index}: got {len(scores)} attribute_scores, expected {num_attributes}, "
            "one for each attribute of the ground truth in the order of their ids; judge a model "
            "by the data set it was trained on."
        )
    return scores


def _multi_hot(ids: Sequence[int], positions: Mapping[int, int], where: str) -> np.ndarray:
    values = np.zeros(len(positions), bool)
    for number in ids:
        if number not in positions:
            raise ValueError(
                f"{where}: got the attribute id {number}, expected one of the ground truth's "
                f"{len(positions)}; judge a model by the data set it was trained on."
            )
        values[positions[number]] = True
    return values
