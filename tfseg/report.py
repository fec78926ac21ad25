"""One self-contained HTML page of an evaluation: tables, curves, examples, two runs compared.

python -m tfseg.report --model_dir=DIR --data_dir=DIR --split=val --output_path=report.html
python -m tfseg.report --results_path=now/detections.json --compare_with=before/detections.json \
    --data_dir=DIR --output_path=report.html

Opens from disk and needs no network.
"""

import dataclasses
from pathlib import Path

from absl import flags

from tfseg import evaluation_flags
from tfseg.io import command_line
from tfseg.io.atomic_files import write_whole
from tfseg.io.photo_files import read_photo_bytes

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    evaluation_flags.define_source_flags()
    command_line.define_path("output_path", None, "The page.", required=True)
    flags.DEFINE_string("title", "Fashion instance segmentation", "Heading of the page.")
    command_line.define_path(
        "compare_with", None, "Detections of another run on the same photos, COCO results json."
    )
    command_line.define_path(
        "photos_dir", None, "Photos of --ground_truth_path, by its file names; --data_dir has them."
    )
    command_line.define_path("training_dir", None, "A folder of tfseg.train: adds its curves.")
    command_line.define_path("pictures_dir", None, "A folder of serving.client: adds its pictures.")


def photo_source(run):
    """Returns a function that gives (image id, encoded photo) of the run's images, or None."""
    if FLAGS.data_dir:
        from data_prep import prepared
        from tfseg.evaluation.shard_detection import read_photos

        prepared_set = prepared.open_prepared(FLAGS.data_dir, FLAGS.dataset)
        return lambda: read_photos(prepared_set.record_paths(FLAGS.split))
    if not FLAGS.photos_dir:
        return None
    folder = Path(FLAGS.photos_dir)

    def read_files():
        for image_id, image in run.ground_truth.imgs.items():
            path = folder / image["file_name"]
            if path.is_file():
                yield image_id, read_photo_bytes(path)

    return read_files


def extra_sections():
    """Returns the sections that the flags add, as page.Section."""
    from tfseg.reporting import training_curves
    from tfseg.reporting.page import Section

    sections = []
    if FLAGS.pictures_dir:
        figures = training_curves.picture_figures(FLAGS.pictures_dir)
        sections.append(Section("Unseen", "Photos the model has never seen", figures))
    if FLAGS.training_dir:
        charts = training_curves.training_charts(FLAGS.training_dir)
        sections.append(Section("Training", "Training loss", charts))
    return sections


def main(argv) -> None:
    """Reads the flags and writes the page, whole or not at all."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors():
        run = evaluation_flags.run_from_flags(FLAGS)
        before = None
        if FLAGS.compare_with:
            before = evaluation_flags.run_from_flags(FLAGS, results_path=FLAGS.compare_with)
            before = dataclasses.replace(before, thresholds=run.thresholds)  # alike, to be compared

        from tfseg.reporting.page import build_page

        page = build_page(run, FLAGS.title, photo_source(run), before, extra_sections())
        write_whole(FLAGS.output_path, page, "the report")
        print(f"{FLAGS.output_path}: written, {len(page.encode()) / 1e6:.1f} MB")


if __name__ == "__main__":
    command_line.run(define_flags, main)
