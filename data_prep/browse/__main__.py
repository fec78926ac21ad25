"""Entry point: one HTML page that shows what is in a prepared data set, and what was done to it.

python -m data_prep.browse --data_dir=PREPARED --output_path=browse.html

The page holds everything it shows and opens from disk; it is at most 12 MB, whatever the data set.
"""

from pathlib import Path

from absl import app, flags

from data_prep.browse.compose import browse_page
from data_prep.prepared import open_prepared
from tfseg.io import command_line
from tfseg.io.atomic_files import write_whole

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    command_line.define_path("data_dir", None, "Folder with the prepared data set.", required=True)
    flags.DEFINE_string("dataset", None, "Name of the data set, where data_dir holds several.")
    command_line.define_path("output_path", None, "The page; DATA_DIR/browse.html unless given.")


def main(argv: list[str]) -> None:
    """Reads the flags and writes the page."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors():
        prepared = open_prepared(FLAGS.data_dir, FLAGS.dataset)
        output_path = Path(FLAGS.output_path or Path(FLAGS.data_dir) / "browse.html")
        page = browse_page(prepared)
        write_whole(output_path, page, "the page")
        print(f"{output_path}: {prepared.name}, {len(page.encode()) / 1e6:.1f} MB")


if __name__ == "__main__":
    define_flags()
    app.run(main)
