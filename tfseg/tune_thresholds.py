"""Tunes score thresholds by category, and the NMS IoU, and stores them with the model.

python -m tfseg.tune_thresholds --model_dir=DIR --data_dir=DIR --split=val --metric=f1

Writes <model_dir>/thresholds.json, which tfseg.export, tfseg.predict and tfseg.evaluate then use.
"""

import dataclasses

from absl import flags

from tfseg import evaluation_flags
from tfseg.io import command_line

FLAGS = flags.FLAGS
_NMS_CHOICES = (None, 0.3, 0.4, 0.5, 0.6, 0.7)


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    evaluation_flags.define_source_flags()
    flags.DEFINE_enum(
        "metric", "f1", ["f1", "fgvc6"], "f1: IoU .5, mean over categories; fgvc6: the competition."
    )
    flags.DEFINE_integer(
        "min_instances", 10, "Categories with fewer keep the one threshold for all.", 1
    )
    command_line.define_path(
        "output_path", None, "Where to write; <model_dir>/thresholds.json by default."
    )


def nms_choices(built_in: float | None) -> tuple[float | None, ...]:
    """Returns the IoUs to try: all, unless one is built into the model that made the detections."""
    return _NMS_CHOICES if built_in is None else (built_in,)


def tune(run, metric: str, min_instances: int, split: str = ""):
    """Tries the NMS choices, and searches thresholds with each.

    Args:
        run: evaluation_run.EvaluationRun with all detections.
        metric: "f1" or "fgvc6".
        min_instances: Categories with fewer keep the one threshold for all.
        split: What it is tuned on, for the file.

    Returns:
        thresholds.Thresholds; their facts hold the metric before (score threshold 0.5, no second
        NMS but a built-in one), after, and cross-checked: each half of the images with the NMS and
        the thresholds that the other half chose.

    Raises:
        ValueError: There are too few images.
    """
    from tfseg.evaluation import competition_metrics, threshold_search
    from tfseg.structures.thresholds import Thresholds

    measure = {"f1": threshold_search.mean_f1, "fgvc6": competition_metrics.fgvc6_score}[metric]

    def cut(thresholds):
        chosen = dataclasses.replace(run, thresholds=thresholds)
        return [image.select(chosen.shown(image)) for image in run.images]

    # No second NMS is the first choice: another has to gain.
    images_by_nms = {
        nms_iou: cut(Thresholds({}, 0.0, nms_iou)) for nms_iou in nms_choices(run.built_in_nms_iou)
    }
    nms_iou, found = threshold_search.search_choices(images_by_nms, metric, min_instances)
    names = {
        category_id: category["name"] for category_id, category in run.ground_truth.cats.items()
    }
    tuned = Thresholds(
        {names[category_id]: value for category_id, value in found.by_category.items()},
        found.default,
        nms_iou,
        metric,
        split,
        {
            "model": run.name,
            "num_images": len(run.images),
            "value_at_0.5": round(measure(cut(Thresholds({}, 0.5))), 6),
            "value": round(found.value, 6),
            "cross_checked_value": round(
                threshold_search.cross_checked_value(images_by_nms, metric, min_instances, measure),
                6,
            ),
        },
    )
    return dataclasses.replace(tuned, attribute_thresholds=_of_attributes(run, tuned))


def _of_attributes(run, tuned) -> dict[str, float]:
    """The attributes' thresholds of the best F1, by name, on what the tuned ones show."""
    from tfseg.evaluation import attribute_metrics, image_attributes

    found = dataclasses.replace(run, thresholds=tuned).found_attributes
    if found is None:
        return {}
    names = image_attributes.attribute_names(run.ground_truth)
    best = attribute_metrics.best_f1_thresholds(found, list(names))
    return {names[number]: value for number, value in best.items()}


def _attribute_lines(run, tuned) -> list[str]:
    """A line for each attribute that has a threshold: it, its name, F1 before and after."""
    found = dataclasses.replace(run, thresholds=tuned).found_attributes
    names = list(run.attribute_names.values())
    # Of the scores: results may say by other thresholds what a garment has.
    f1 = [
        100 * dataclasses.replace(found, said=found.scores >= said_from).f1()
        for said_from in (0.5, tuned.of_attributes(names))
    ]
    return [
        f"{tuned.attribute_thresholds[name]:6.2f}  {name}  {before:.1f} {after:.1f}"
        for name, before, after in zip(names, *f1, strict=True)
        if name in tuned.attribute_thresholds
    ]


def main(argv) -> None:
    """Reads the flags, tunes, writes the file and prints what it is worth."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors():
        if FLAGS.thresholds_path:
            raise ValueError("--thresholds_path: they are what is looked for; leave it out.")
        output_path = FLAGS.output_path or FLAGS.model_dir
        if not output_path:
            raise ValueError("give --output_path: without a --model_dir there is no place for it.")
        run = evaluation_flags.run_from_flags(FLAGS)
        split = FLAGS.ground_truth_path or FLAGS.split
        tuned = tune(run, FLAGS.metric, FLAGS.min_instances, split)
        tuned.save(output_path)
        for name in run.category_names:
            print(f"{tuned.of_category(name):6.2f}  {name}")
        print(f"{tuned.default_score_threshold:6.2f}  categories not named")
        if tuned.attribute_thresholds:
            print("attributes said from, with F1 at 0.5 and at their own threshold, percent:")
            for line in _attribute_lines(run, tuned):
                print(line)
        is_built_in = run.built_in_nms_iou is not None
        why = ", built into the export: no other could be tried" if is_built_in else ""
        print(f"second NMS: {'none' if tuned.nms_iou is None else tuned.nms_iou}{why}")
        facts = tuned.facts
        print(
            f"{FLAGS.metric}, percent: {100 * facts['value_at_0.5']:.1f} with 0.5 for all, "
            f"{100 * facts['value']:.1f} tuned, {100 * facts['cross_checked_value']:.1f} "
            "cross-checked, each half of the images with what the other half chose"
        )


if __name__ == "__main__":
    command_line.run(define_flags, main)
