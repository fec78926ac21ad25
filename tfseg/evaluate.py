"""Evaluates a model, or anyone's detections: COCO's metrics, the competitions', and why.

python -m tfseg.evaluate --model_dir=DIR --data_dir=DIR --split=val --output_dir=EVALUATION
python -m tfseg.evaluate --saved_model=DIR --data_dir=DIR
python -m tfseg.evaluate --results_path=detections.json --ground_truth_path=instances_val.json
"""

import json
import math
import time
from pathlib import Path

from absl import flags

from tfseg.evaluation_flags import define_source_flags, run_from_flags
from tfseg.io import command_line
from tfseg.io.atomic_files import write_whole

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    define_source_flags()
    command_line.define_path("output_dir", None, "Gets metrics.json and detections.json.")
    command_line.define_path("metrics_path", None, "Where to write the metrics as json.")
    command_line.define_path(
        "detections_path", None, "Where to write the detections as COCO results json."
    )


def write_metrics(path: str | Path, metrics: dict[str, float], **facts) -> None:
    """Writes metrics as json, which has no NaN: a category without ground truth is null."""
    nullable = {k: None if math.isnan(v) else round(v, 6) for k, v in metrics.items()}
    write_whole(path, json.dumps({**facts, **nullable}, indent=1) + "\n", "the metrics")


def main(argv) -> None:
    """Reads the flags, evaluates, prints the tables and writes the files asked for."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors():
        from tfseg.evaluation import coco_results, metric_tables

        start = time.monotonic()
        run = run_from_flags(FLAGS)
        metrics = run.all_metrics
        print(f"{run.name} on {run.truth_name}, {time.monotonic() - start:.0f} s, percent:")
        print(metric_tables.format_all(metrics))
        folder = Path(FLAGS.output_dir) if FLAGS.output_dir else None
        split = FLAGS.ground_truth_path or FLAGS.split
        facts = {"step": run.step, "split": split, "name": run.name}
        metrics_paths = [FLAGS.metrics_path, folder and folder / "metrics.json"]
        for path in filter(None, metrics_paths):
            write_metrics(path, metrics, **facts)
        for path in filter(None, [FLAGS.detections_path, folder and folder / "detections.json"]):
            coco_results.write_results(path, run.coco_results)


if __name__ == "__main__":
    command_line.run(define_flags, main)
