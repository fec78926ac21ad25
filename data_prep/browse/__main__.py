"""Entry point: one HTML page that shows what is in a prepared data set, and what was done to it.

python -m data_prep.browse --data_dir=PREPARED --output_path=browse.html

The page holds everything it shows and opens from disk; it is at most 12 MB, whatever the data set.
Where data_dir holds several data sets, each has a page of its own, browse-NAME.html.
"""

from pathlib import Path

from absl import flags

from data_prep.browse.compose import browse_page
from data_prep.prepared import dataset_names, open_prepared
from tfseg.io import command_line
from tfseg.io.atomic_files import write_whole

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    command_line.define_path("data_dir", None, "Folder with the prepared data set.", required=True)
    flags.DEFINE_string("dataset", None, "Name of the data set, where data_dir holds several.")
    command_line.define_path(
        "output_path",
        None,
        "The page; unless given, DATA_DIR/browse.html, or DATA_DIR/browse-NAME.html where data_dir "
        "holds several data sets.",
    )


def default_output_path(data_dir: str, dataset: str) -> Path:
    """The page's path in data_dir; its name tells the data sets of one folder apart."""
    if dataset_names(data_dir) - {dataset}:
        return Path(data_dir) / f"browse-{dataset}.html"
    return Path(data_dir) / "browse.html"


def main(argv: list[str]) -> None:
    """Reads the flags and writes the page."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors():
        prepared = open_prepared(FLAGS.data_dir, FLAGS.dataset)
        own_path = default_output_path(FLAGS.data_dir, prepared.name)
        output_path = Path(FLAGS.output_path or own_path)
        page = browse_page(prepared)
        write_whole(output_path, page, "the page")
        print(f"{output_path}: {prepared.name}, {len(page.encode()) / 1e6:.1f} MB")


if __name__ == "__main__":
    command_line.run(define_flags, main)
