"""Entry point: one HTML page that shows what is in a prepared data set, and what was done to it.

python -m data_prep.browse --data_dir=PREPARED --output_path=browse.html

The page holds everything it shows and opens from disk; it is at most 12 MB, whatever the data set.
"""

import sys
from pathlib import Path

from absl import app, flags
from tqdm import tqdm

from data_prep import cli
from data_prep.prepared import REPORT_NAME, PreparedDataset, open_prepared

FLAGS = flags.FLAGS
_MAX_SAMPLES = 240  # pictures in the grids of categories
_MAX_EXAMPLES = 60  # pictures of what was put right
_MAX_CATEGORIES = 240


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    flags.DEFINE_string("data_dir", None, "Folder with the prepared data set.", required=True)
    flags.DEFINE_string("dataset", None, "Name of the data set, where data_dir holds several.")
    flags.DEFINE_string("output_path", None, "The page; DATA_DIR/browse.html unless given.")


def browse_page(prepared: PreparedDataset) -> str:
    """Makes the page of a prepared data set.

    Raises:
        ValueError: A shard or the report is damaged.
    """
    from data_prep import browse_counts as counts
    from data_prep import browse_page as page
    from data_prep.browse_pictures import FigureDrawer
    from data_prep.browse_repairs import (
        ExamplePictures,
        example_files,
        read_report,
        repairs_html,
    )
    from data_prep.browse_survey import take_survey

    report = read_report(prepared.path / REPORT_NAME)
    num_categories = len(prepared.category_names)
    per_category = max(1, min(12, _MAX_SAMPLES // num_categories))
    num_examples = sum(map(prepared.num_examples, prepared.splits))
    with _progress("surveying", "photo", num_examples) as bar:
        survey = take_survey(prepared, per_category, example_files(report), bar.update)
    numbers = sum(split.instances for split in survey.splits.values())
    by_number = sorted(range(1, num_categories + 1), key=lambda i: (-numbers[i - 1], i))
    shown = by_number[:_MAX_CATEGORIES]
    examples = ExamplePictures(report, survey, _MAX_EXAMPLES)
    num_pictures = sum(len(survey.samples[i]) for i in (0, *shown)) + examples.num_pictures
    with _progress("drawing", "picture", num_pictures) as bar:
        drawer = FigureDrawer(prepared.category_names, bar.update)
        sections = [
            page.head_html(prepared, survey),
            counts.counts_html(survey, report),
            counts.categories_html(prepared, survey, shown),
            counts.sizes_html(survey, report),
            page.samples_html(survey, drawer, shown),
            repairs_html(report, examples, drawer),
            page.foot_html(report),
        ]
    return page.whole_page(f"{prepared.name}: the prepared data set", sections)


def _progress(label: str, unit: str, total: int) -> tqdm:
    interval_s = 0.5 if sys.stderr.isatty() else 10
    return tqdm(desc=label, unit=unit, total=total, mininterval=interval_s)


def main(argv: list[str]) -> None:
    """Reads the flags and writes the page."""
    cli.refuse_arguments(argv)
    with cli.one_line_errors():
        prepared = open_prepared(FLAGS.data_dir, FLAGS.dataset)
        output_path = Path(FLAGS.output_path or Path(FLAGS.data_dir) / "browse.html")
        page = browse_page(prepared)
        part = output_path.with_name(output_path.name + ".part")
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(page, encoding="utf-8")
        part.replace(output_path)
        print(f"{output_path}: {prepared.name}, {len(page.encode()) / 1e6:.1f} MB")


if __name__ == "__main__":
    define_flags()
    app.run(main)
