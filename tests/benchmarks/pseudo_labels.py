"""How good pseudo-labels are, on photos whose truth is known and which the model has not seen.

python -m tfseg.predict --input_list=VAL_PHOTOS --output_dir=OUT --score_threshold=0.1 --nooverlays
python -m tests.benchmarks.pseudo_labels --predictions=OUT/detections.json --data_dir=CCP

Prints, for several scores and with and without the photos' tags (the categories of their truth):
how many instances come of it, how many of them are right (mask IoU .5, same category), and what
becomes of the true garments: labelled, passed over in training, or punished as background.
"""

import json
from pathlib import Path

import numpy as np
from absl import app, flags
from pycocotools import mask as coco_mask

from data_prep.datasets.pseudo.reader import read_detections
from data_prep.datasets.pseudo.selection import Prediction, SelectionRules, Verdict
from data_prep.prepared import open_prepared

FLAGS = flags.FLAGS
SCORES = (0.5, 0.7, 0.9)


def define_flags() -> None:
    """Defines the flags."""
    flags.DEFINE_string("predictions", None, "detections.json.", required=True)
    flags.DEFINE_string("data_dir", None, "Prepared data set with the truth.", required=True)
    flags.DEFINE_string("split", "val", "Its split.")
    flags.DEFINE_float("unsure_score", 0.1, "Least score of an ignore region.")


def in_region(truth: dict, regions: list[dict]) -> bool:
    """Whether more than half of a true garment's box lies in the box of a region."""
    if not regions:
        return False
    boxes = np.array([*coco_mask.toBbox(regions)]).reshape(-1, 4)
    ioas = coco_mask.iou(np.array([truth["bbox"]], np.float64), boxes, [1] * len(boxes))
    return bool((ioas > 0.5).any())


def judge(truths: list[dict], found: list[Prediction], verdicts: list[Verdict], names) -> list[int]:
    """Returns how many instances, right ones, true garments, passed over and punished ones."""
    order = np.argsort([-one.score for one in found], kind="stable")
    instances = [found[i] for i in order if verdicts[i] is Verdict.INSTANCE]
    regions = [one.rle for one, verdict in zip(found, verdicts, strict=True) if verdict.is_region]
    free, num_right = list(truths), 0
    for one in instances:
        same = [t for t in free if names[t["category_id"]] == one.category]
        ious = coco_mask.iou([t["segmentation"] for t in same], [one.rle], [0]) if same else []
        if len(ious) and ious.max() >= 0.5:
            free.remove(same[int(ious.argmax())])
            num_right += 1
    num_passed_over = sum(in_region(truth, regions) for truth in free)
    counts = [len(instances), num_right, len(truths), num_passed_over]
    return [*counts, len(free) - num_passed_over]


def main(_) -> None:
    """Reads both and prints the table."""
    prepared = open_prepared(FLAGS.data_dir)
    content = json.loads(prepared.ground_truth_path(FLAGS.split).read_text())
    names = dict(enumerate(prepared.category_names, start=1))
    entries = read_detections(Path(FLAGS.predictions), {name: i for i, name in names.items()})
    print(
        "least score | tags | instances | right | true garments labelled | passed over | punished"
    )
    for score in SCORES:
        for with_tags in (False, True):
            rules = SelectionRules({}, score, FLAGS.unsure_score, min(score, 0.5))
            totals = np.zeros(5, int)
            for image in content["images"]:
                truths = [a for a in content["annotations"] if a["image_id"] == image["id"]]
                tags = frozenset(names[t["category_id"]] for t in truths) if with_tags else None
                found = [
                    Prediction(
                        entry["category_name"],
                        entry["score"],
                        {
                            **entry["segmentation"],
                            "counts": entry["segmentation"]["counts"].encode(),
                        },
                    )
                    for _, entry in entries.get(image["file_name"], ())
                ]
                totals += judge(truths, found, rules.verdicts(found, tags), names)
            num, right, true, passed, punished = totals.tolist()
            shares = [100 * n / true for n in (right, passed, punished)]
            print(
                f"{score} | {'yes' if with_tags else 'no'} | {num} | {100 * right / num:.1f} % | "
                + " | ".join(f"{share:.1f} %" for share in shares)
            )


if __name__ == "__main__":
    define_flags()
    app.run(main)
