"""What colours of garments are taken for: a table of the true colour against what was said.

python -m tests.benchmarks.colour_confusion --results_path=OUT/detections.json --ground_truth_path=T

OUT of `tfseg.evaluate` on a set prepared with --colour_attributes, T its instances_val.json. Of the
garments that were found and have one true colour; a garment of which two are said counts in both.
"""

import numpy as np
from absl import app, flags

from tfseg.evaluation import evaluation_run
from tfseg.structures import thresholds

FLAGS = flags.FLAGS


def confusion(truth: np.ndarray, said: np.ndarray) -> np.ndarray:
    """int64 [num, num]: garments of one true colour (rows), of which each colour (columns) is said.

    Args:
        truth: bool [num_garments, num].
        said: bool [num_garments, num].
    """
    of_one = truth.sum(axis=1) == 1
    return truth[of_one].astype(np.int64).T @ said[of_one].astype(np.int64)


def main(_) -> None:
    """Prints the table as Markdown."""
    run = evaluation_run.judge_results(
        FLAGS.results_path, FLAGS.ground_truth_path, thresholds.load(FLAGS.model_dir)
    )
    found = run.found_attributes
    if found is None:
        raise ValueError(f"{FLAGS.results_path}: neither side tells attributes.")
    names = list(run.attribute_names.values())
    table = confusion(found.truth, found.said)
    exact = (found.truth == found.said).all(axis=1).mean()
    print(f"{len(found.truth)} garments found, {exact:.1%} with exactly their colours said")
    print("| true | garments | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 2) + "|")
    counts = found.truth[found.truth.sum(axis=1) == 1].sum(axis=0)
    for name, count, row in zip(names, counts, table, strict=True):
        print(f"| {name} | {count} | " + " | ".join(str(n or "") for n in row) + " |")


if __name__ == "__main__":
    flags.DEFINE_string("results_path", None, "COCO results with attribute_scores.", required=True)
    flags.DEFINE_string("ground_truth_path", None, "COCO ground truth.", required=True)
    flags.DEFINE_string("model_dir", "tfseg/zoo/fashion_lite", "Whose thresholds count.")
    app.run(main)
