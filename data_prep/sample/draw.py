"""Draws photos of dressed people in the raw form of ModaNet + PaperDoll.

python -m data_prep.sample.draw --out_dir=build/sample/raw --num_images=400 --seed=1
"""

import os
from pathlib import Path

from absl import flags

from data_prep.sample.raw_sample import SampleFacts, draw_sample, is_drawn
from tfseg.io import command_line

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    command_line.define_path(
        "out_dir", None, "Folder to make; holds modanet/ and paperdoll/ afterwards.", required=True
    )
    flags.DEFINE_integer("num_images", 400, "Annotated photos to draw.")
    flags.DEFINE_integer(
        "num_challenge",
        None,
        "Photos without annotations; by default a 25th of the others, at least 8.",
    )
    flags.DEFINE_integer("seed", 0, "The same seed draws the same photos.", lower_bound=0)
    flags.DEFINE_integer(
        "num_workers", os.cpu_count(), "Processes; the photos do not depend on it.", lower_bound=1
    )


def main(argv: list[str]) -> None:
    """Draws the sample, unless the folder already holds it."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors():
        num_challenge = FLAGS.num_challenge
        if num_challenge is None:
            num_challenge = max(8, FLAGS.num_images // 25)
        facts = SampleFacts(FLAGS.num_images, num_challenge, FLAGS.seed)
        out_dir = Path(FLAGS.out_dir)
        if is_drawn(out_dir, facts):
            print(f"{out_dir}: already drawn, kept.")
            return
        draw_sample(out_dir, facts, FLAGS.num_workers)
        print(
            f"{out_dir}: {facts.num_images} annotated photos, {num_challenge} without annotations."
        )


if __name__ == "__main__":
    command_line.run(define_flags, main)
