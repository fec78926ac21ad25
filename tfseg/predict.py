"""Finds the garments in photos: overlays, detections, cutouts, challenge files.

python -m tfseg.predict --output_dir=OUT photo.jpg folder/      # with the model in the box
python -m tfseg.predict --saved_model=EXPORT --input_dir=PHOTOS --output_dir=OUT
python -m tfseg.predict --input_dir=PHOTOS --review_dir=REVIEW  # for data_prep.review to correct

A run that was stopped goes on where it was; photos added later are done by the same command.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from tfseg.io import command_line, cpu_precision
from tfseg.prediction.output_files import RUN_FILES, RunFile
from tfseg.structures.detection_files import PICTURE_KINDS
from tfseg.zoo import packaged_models

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    flags.DEFINE_string("model", None, "A model in the box: fashion_lite, the default.")
    command_line.define_path("saved_model", None, "Folder written by tfseg.export, in its place.")
    command_line.define_path("model_dir", None, "Folder written by tfseg.train, in its place.")
    command_line.define_path("checkpoint_path", None, "Checkpoint prefix; the latest by default.")
    command_line.define_path("input_dir", None, "Photos: a folder, with all folders below it.")
    command_line.define_path("input_glob", None, "Photos: a pattern, as 'shots/**/*_front.jpg'.")
    command_line.define_path("input_list", None, "Photos: a text file with a path a line.")
    command_line.define_path("output_dir", None, "Where everything is written.")
    command_line.define_path(
        "review_dir", None, "In its place: a folder for python -m data_prep.review to correct."
    )
    flags.DEFINE_float(
        "review_threshold", 0.2, "Score from which --review_dir shows garments.", 0, 1
    )
    flags.DEFINE_bool(
        "review_flip", False, "--review_dir: order by the mirrored photo too, in twice the time."
    )
    command_line.define_path(
        "review_compare_with",
        None,
        "--review_dir: order by where this model differs, too; a name in the box, or the folder of "
        "an export or a training.",
    )
    for kind in PICTURE_KINDS.values():
        flags.DEFINE_bool(kind.name, kind.is_default, f"Write {kind.name}/: {kind.shows}.")
    for run_file in RUN_FILES:
        flags.DEFINE_bool(run_file.flag, False, run_file.help)
    flags.DEFINE_bool(
        "submission_attributes", True, "With a model's attributes, which in 2019 had to match."
    )
    command_line.define_path(
        "label_descriptions_path", None, "FGVC6's: finds its categories and attributes by names."
    )
    flags.DEFINE_float(
        "score_threshold", None, "One for all, in place of the model's; its second NMS stays.", 0, 1
    )
    command_line.define_path(
        "thresholds_path",
        None,
        "thresholds.json, in place of the model's; an export that has a second NMS built in takes "
        "one of the same nms_iou only.",
    )
    flags.DEFINE_enum(
        "overlaps", "keep", ["keep", "smaller_first", "score"], "Who keeps contested pixels."
    )
    flags.DEFINE_integer("overlay_max_side", 1600, "Longest side of an overlay, pixels.", 64)
    flags.DEFINE_integer("batch_size", 2, "Photos a call; more for a GPU.", 1)
    flags.DEFINE_bool("bfloat16", None, "Compute in bfloat16; measured once unless given.")
    flags.DEFINE_bool("overwrite", False, "Begin anew what output_dir holds.")


def find_photos(arguments: list[str]):
    """Returns the photos that arguments or flags ask for, as photo_files.PhotoFile."""
    from tfseg.prediction import photo_files

    given = [f for f in ("input_dir", "input_glob", "input_list") if FLAGS[f].value]
    if len(given) + bool(arguments) != 1:
        raise ValueError(
            "give photos and folders, or one of --input_dir, --input_glob and --input_list."
        )
    left_out = Path(FLAGS.output_dir or FLAGS.review_dir)
    if arguments:
        return photo_files.find_given(arguments, left_out=left_out)
    if FLAGS.input_dir:
        return photo_files.find_in_tree(FLAGS.input_dir, left_out=left_out)
    if FLAGS.input_glob:
        return photo_files.find_by_glob(FLAGS.input_glob)
    return photo_files.find_in_list(FLAGS.input_list)


def given_thresholds():
    """Returns the thresholds.Thresholds of --thresholds_path; None where it is not given."""
    from tfseg.structures import thresholds

    if FLAGS.thresholds_path and FLAGS.score_threshold is not None:
        raise ValueError("give --thresholds_path or --score_threshold, not both.")
    return thresholds.load(FLAGS.thresholds_path) if FLAGS.thresholds_path else None


def load_detector(all_scores: bool):
    """Returns the model the flags ask for, as detector.Detector."""
    if sum(map(bool, (FLAGS.model, FLAGS.saved_model, FLAGS.model_dir))) > 1:
        raise ValueError("give one of --model, --saved_model and --model_dir, or none.")
    if FLAGS.checkpoint_path and not FLAGS.model_dir:
        raise ValueError("--checkpoint_path goes with --model_dir alone.")
    from tfseg.inference import detector

    gains = FLAGS.bfloat16
    if gains is None:
        gains = cpu_precision.gains_by_bfloat16(cpu_precision.INFERENCE)
    if gains:
        detector.use_bfloat16()
    if FLAGS.model_dir:
        return detector.detector_from_model_dir(FLAGS.model_dir, FLAGS.checkpoint_path)
    path = FLAGS.saved_model or packaged_models.saved_model(
        FLAGS.model or packaged_models.DEFAULT_MODEL
    )
    return detector.detector_from_saved_model(str(path), all_scores)


def run_files() -> list[RunFile]:
    """Returns the files about all photos that the flags ask for."""
    return [one for one in RUN_FILES if FLAGS[one.flag].value]


def predict(photos, output_dir: Path) -> int:
    """Predicts and writes the files asked for; returns how many photos failed."""
    from tfseg.prediction import output_files
    from tfseg.prediction.journal import PredictionJournal, remove_earlier_run
    from tfseg.prediction.runner import PhotoPrediction, PictureChoices

    given = given_thresholds()
    detector = load_detector(all_scores=bool(given) or FLAGS.score_threshold is not None)
    shown = detector.thresholds_with(given, FLAGS.score_threshold)
    order = None if FLAGS.overlaps == "keep" else FLAGS.overlaps
    about = output_files.RunSettings(
        detector.category_names,
        detector.attribute_names if FLAGS.submission_attributes else (),
        order,
        FLAGS.label_descriptions_path,
    )
    writers = {one.file_name: one.writer(about) for one in run_files()}
    kinds = tuple(name for name in PICTURE_KINDS if FLAGS[name].value)
    choices = PictureChoices(kinds, FLAGS.overlay_max_side)
    settings = {"model": detector.name, **shown.to_json(), "overlaps": order, **choices.to_json()}
    if FLAGS.overwrite:
        remove_earlier_run(output_dir)
    with PredictionJournal(output_dir, settings, FLAGS.overwrite) as journal:
        run = PhotoPrediction(
            detector.detect, shown, order, choices, output_dir, detector.attribute_names
        )
        run.run(photos, journal, FLAGS.batch_size)
        output_files.write_detections(output_dir / "detections.json", journal, photos)
        for file_name, write in writers.items():
            write(output_dir / file_name, journal, photos)
        return sum(photo.name in journal.errors for photo in photos)


def load_other(category_names: Sequence[str]):
    """Returns the model of --review_compare_with, as review_run.OtherModel."""
    from tfseg.inference import detector
    from tfseg.prediction.review_run import OtherModel
    from tfseg.structures.thresholds import Thresholds

    other = detector.open_detector(FLAGS.review_compare_with, all_scores=True)
    known = set(category_names) & set(other.category_names)
    if not known:
        raise ValueError(
            f"--review_compare_with={FLAGS.review_compare_with}: knows none of the model's "
            f"categories but {', '.join(other.category_names[:5])}; give a model of the same ones."
        )
    low = Thresholds({}, FLAGS.review_threshold, other.thresholds_with().nms_iou)
    return OtherModel(other.detect, low, known)


def predict_for_review(photos, review_dir: Path) -> int:
    """Predicts for data_prep.review; returns how many photos failed."""
    from tfseg.prediction.photo_files import common_folder
    from tfseg.prediction.review_journal import ReviewJournal
    from tfseg.prediction.review_run import ReviewPrediction
    from tfseg.structures.review_predictions import ReviewSettings
    from tfseg.structures.thresholds import Thresholds

    detector = load_detector(all_scores=True)
    own = detector.thresholds_with(given_thresholds())
    low = Thresholds({}, FLAGS.review_threshold, own.nms_iou)
    names = detector.category_names
    other = load_other(names) if FLAGS.review_compare_with else None
    settings = ReviewSettings(
        model=detector.name,
        photos_dir=str(common_folder(photos)),
        category_names=names,
        score_threshold=FLAGS.review_threshold,
        score_thresholds={name: own.of_category(name) for name in names},
        nms_iou=low.nms_iou,
        flip=FLAGS.review_flip,
        compared_with=FLAGS.review_compare_with,
    )
    with ReviewJournal(review_dir, settings, FLAGS.overwrite) as journal:
        run = ReviewPrediction(detector.detect, low, FLAGS.review_flip, review_dir, other)
        run.run(photos, journal, FLAGS.batch_size)
        return sum(photo.name in journal.errors for photo in photos)


def refuse_unfit_flags() -> None:
    """Raises ValueError unless one folder is given, with flags that go with it."""
    if bool(FLAGS.output_dir) == bool(FLAGS.review_dir):
        raise ValueError("give one of --output_dir and --review_dir.")
    extra = [kind.name for kind in PICTURE_KINDS.values() if not kind.is_default]
    only_output = [one.flag for one in RUN_FILES] + extra + ["score_threshold"]
    only_review = ("review_threshold", "review_flip", "review_compare_with")
    unfit_names = only_output if FLAGS.review_dir else only_review
    unfit = [name for name in unfit_names if FLAGS[name].value != FLAGS[name].default]
    if unfit:
        folder = "--review_dir" if FLAGS.review_dir else "--output_dir"
        raise ValueError(f"{folder} goes without --{', --'.join(unfit)}.")


def main(argv) -> None:
    """Reads the flags and predicts, alone in the output folder."""
    with command_line.one_line_errors("to go on"):
        from tfseg.io.folder_lock import only_one
        from tfseg.structures.review_predictions import LOCK_NAME

        refuse_unfit_flags()
        photos = find_photos(argv[1:])
        for run_file in run_files():
            run_file.refuse(photos)
        output_dir = Path(FLAGS.output_dir or FLAGS.review_dir)
        if FLAGS.review_dir:
            lock = only_one(output_dir / LOCK_NAME, "predict or review", "--review_dir")
        else:
            lock = only_one(output_dir / ".predict.lock", "another tfseg.predict", "--output_dir")
        with lock:
            run = predict_for_review if FLAGS.review_dir else predict
            num_failed = run(photos, output_dir)
        done = len(photos) - num_failed
        print(f"{output_dir}: {done} of {len(photos)} photos, {num_failed} skipped")
        if not done:
            sys.exit("error: no photo could be used.")


if __name__ == "__main__":
    command_line.run(define_flags, main)
