"""What is judged, and by which ground truth: flags that several commands share."""

from absl import flags

from tfseg.io import command_line

flags.disclaim_key_flags()  # --help lists them as the command's own


def define_source_flags() -> None:
    """Defines what is judged and by which ground truth; tfseg.report and others share these."""
    command_line.define_path("model_dir", None, "Judge a model: folder written by tfseg.train.")
    flags.DEFINE_string("model", None, "Judge a model in the box, as fashion_lite.")
    command_line.define_path("checkpoint_path", None, "Checkpoint prefix; the latest by default.")
    command_line.define_size("input_size", "Fit photos into it, not into the size trained at.")
    command_line.define_path("saved_model", None, "Judge a model: folder written by tfseg.export.")
    command_line.define_path("results_path", None, "Judge detections: a COCO results json.")
    command_line.define_path("data_dir", None, "Folder with the prepared data set.")
    flags.DEFINE_string("dataset", None, "Name of the data set, where data_dir holds several.")
    flags.DEFINE_string("split", "val", "Split to evaluate on.")
    command_line.define_path(
        "ground_truth_path", None, "COCO ground truth for --results_path, in place of --data_dir."
    )
    command_line.define_path(
        "thresholds_path", None, "thresholds.json; the model's own by default, else 0.5 for all."
    )
    flags.DEFINE_integer(
        "num_examples", 0, "Evaluate on the first so many examples only; 0 for all.", 0
    )
    flags.DEFINE_integer("batch_size", 8, "Photos a call.", 1)
    flags.DEFINE_bool("bfloat16", False, "Judge the model as tfseg.predict --bfloat16 runs it.")


def run_from_flags(values, results_path: str | None = None):
    """Returns the evaluation_run.EvaluationRun that define_source_flags' values ask for.

    Args:
        values: The parsed flags.
        results_path: Judge these COCO results, in place of what the flags say.

    Raises:
        ValueError: They contradict each other, or what they name does not work.
    """
    from data_prep import prepared

    sources = ("model", "model_dir", "saved_model", "results_path")
    if sum(bool(values[flag].value) for flag in sources) != 1:
        raise ValueError("give one of --model, --model_dir, --saved_model and --results_path.")
    results_path = results_path or values.results_path
    from_file = values.ground_truth_path
    if bool(from_file) == bool(values.data_dir) or (from_file and not results_path):
        raise ValueError(
            "give --data_dir, a prepared data set; or --ground_truth_path, a COCO json, together "
            "with --results_path."
        )
    if values.checkpoint_path and not values.model_dir:
        raise ValueError("--checkpoint_path goes with --model_dir alone.")
    if values.input_size and not (values.model_dir or values.model):
        raise ValueError("--input_size goes with --model_dir and --model; an export has its own.")
    prepared_set = None
    if values.data_dir:
        prepared_set = prepared.open_prepared(values.data_dir, values.dataset)
        prepared_set.num_examples(values.split)  # raises before TensorFlow's slow import

    from tfseg.evaluation import evaluation_run
    from tfseg.structures import thresholds

    own = thresholds.load(values.thresholds_path) if values.thresholds_path else None
    if results_path:
        if values.num_examples:
            raise ValueError("--num_examples works with a model, not with --results_path.")
        path = prepared_set.ground_truth_path(values.split) if prepared_set else from_file
        return evaluation_run.judge_results(results_path, path, own)

    from tfseg.inference import detector

    if values.bfloat16:
        detector.use_bfloat16()
    found = (
        detector.detector_from_model_dir(
            values.model or values.model_dir, values.checkpoint_path, values.input_size
        )
        if values.model or values.model_dir
        else detector.detector_from_saved_model(values.saved_model, all_scores=True)
    )
    assert prepared_set is not None, "a model is judged on a prepared data set alone"
    return evaluation_run.judge_model(
        found, prepared_set, values.split, values.num_examples, values.batch_size, own
    )
