"""Masks product photos automatically: plain, shaded, colored or textured background, no weights.

python -m data_prep.auto_mask --input_dir=PHOTOS --out_dir=MASKS

PHOTOS has one folder a category. MASKS gets instances.json (COCO, at the photos' own size, each
with its confidence), masks.csv (FGVC6's form), overlays/ and masks.jsonl, from which a stopped run
goes on. Look at the unsure ones with `python -m data_prep.review --dir=MASKS`.
"""

import os
from pathlib import Path

from absl import flags

from tfseg.io import command_line

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    command_line.define_path("input_dir", None, "Folder with one folder a category.", required=True)
    command_line.define_path("out_dir", None, "Where the masks go.", required=True)
    flags.DEFINE_enum(
        "engine",
        "cutout",
        ["cutout", "cutout_strict", "guided", "rembg"],
        "cutout needs no weights, cutout_strict calls fewer of its masks good; guided asks the "
        "model in the box where garments are: slower, and right more often on photos of phones; "
        "rembg has weights of its own.",
    )
    flags.DEFINE_integer("num_workers", 0, "Processes; 0 for all cores.", 0)
    flags.DEFINE_bool(
        "overwrite", False, "Mask all photos anew; what people decided or touched up is lost."
    )


def main(argv: list[str]) -> None:
    """Reads the flags and masks the photos."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors("to go on"):
        from data_prep.auto_mask.run import run

        num_workers = FLAGS.num_workers or len(os.sched_getaffinity(0))
        out_dir = Path(FLAGS.out_dir)
        summary = run(Path(FLAGS.input_dir), out_dir, FLAGS.engine, num_workers, FLAGS.overwrite)
        print(f"{out_dir}: {summary}")
        print(f"review: python -m data_prep.review --dir={out_dir}")


if __name__ == "__main__":
    command_line.run(define_flags, main)
