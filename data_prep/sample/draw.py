"""Draws photos of dressed people in the raw form of ModaNet + PaperDoll.

python -m data_prep.sample.draw --out_dir=build/sample/raw --num_images=400 --seed=1
"""

import os
import sys
from pathlib import Path

from absl import app, flags

from data_prep.ordered_pool import WorkerDiedError
from data_prep.sample.raw_sample import SampleFacts, draw_sample, is_drawn

_OUT_DIR = flags.DEFINE_string(
    "out_dir", None, "Folder to make; holds modanet/ and paperdoll/ afterwards.", required=True
)
_NUM_IMAGES = flags.DEFINE_integer("num_images", 400, "Annotated photos to draw.")
_NUM_CHALLENGE = flags.DEFINE_integer(
    "num_challenge",
    None,
    "Photos without annotations; by default a 25th of the others, at least 8.",
)
_SEED = flags.DEFINE_integer("seed", 0, "The same seed draws the same photos.", lower_bound=0)
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", os.cpu_count(), "Processes; the photos do not depend on it.", lower_bound=1
)


def main(argv: list[str]) -> None:
    """Draws the sample, unless the folder already holds it."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {' '.join(argv[1:])}")
    num_challenge = _NUM_CHALLENGE.value
    if num_challenge is None:
        num_challenge = max(8, _NUM_IMAGES.value // 25)
    facts = SampleFacts(_NUM_IMAGES.value, num_challenge, _SEED.value)
    out_dir = Path(_OUT_DIR.value)
    try:
        if is_drawn(out_dir, facts):
            print(f"{out_dir}: already drawn, kept.")
            return
        draw_sample(out_dir, facts, _NUM_WORKERS.value)
    except (ValueError, OSError, WorkerDiedError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to start anew", file=sys.stderr)
        sys.exit(130)
    print(f"{out_dir}: {facts.num_images} annotated photos, {num_challenge} without annotations.")


if __name__ == "__main__":
    app.run(main)
