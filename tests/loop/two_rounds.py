"""Goes round the loop with a simulated reviewer: predict, correct, build, train, evaluate.

python -m tests.loop.two_rounds --ccp_dir=CCP --start=START --work_dir=WORK

CCP is Clothing Co-Parsing, START a start of ImageNet's weights (`make street` makes both). Run it
again with the same --work_dir to go on where it stopped. README.md says what is done and why.
"""

import json
import os
from pathlib import Path

from absl import app, flags

from tests.loop.loop import Loop, Sizes

FLAGS = flags.FLAGS


def define_flags() -> None:
    flags.DEFINE_string("ccp_dir", None, "Clothing Co-Parsing.", required=True)
    flags.DEFINE_string("start", None, "model_dir that the first model starts from; else nothing.")
    flags.DEFINE_string(
        "first_photos",
        None,
        "Text file of file names, one a line: --start is the first model itself, trained on these.",
    )
    flags.DEFINE_string("work_dir", None, "Where everything is written.", required=True)
    flags.DEFINE_string("prepared_dir", None, "ccp at the photos' own size; made unless given.")
    flags.DEFINE_integer("num_seed_photos", 60, "Photos that the first model is trained on.", 1)
    flags.DEFINE_integer("num_pool_photos", 320, "Photos that nobody has annotated yet.", 1)
    flags.DEFINE_integer("num_rounds", 2, "How many times round.", 1)
    flags.DEFINE_integer("photos_per_round", 80, "Photos corrected in a round.", 1)
    flags.DEFINE_integer("num_steps", 300, "Steps of each training.", 1)
    flags.DEFINE_bool("control", True, "Train as long on the first photos alone, to compare.")
    flags.DEFINE_string("recipe", "configs/fashion_lite_384.flags", "Of every training.")
    flags.DEFINE_multi_string("params_override", [], "Of every training.")


def main(_) -> None:
    if FLAGS.first_photos and not FLAGS.start:
        raise ValueError("--first_photos goes with --start, the model that was trained on them.")
    first = Path(FLAGS.first_photos).read_text().split() if FLAGS.first_photos else None
    loop = Loop(
        work_dir=Path(FLAGS.work_dir).resolve(),
        ccp_dir=Path(FLAGS.ccp_dir).resolve(),
        start=Path(FLAGS.start).resolve() if FLAGS.start else None,
        first_photos=tuple(first) if first else None,
        given_prepared_dir=Path(FLAGS.prepared_dir).resolve() if FLAGS.prepared_dir else None,
        recipe=FLAGS.recipe,
        params_overrides=tuple(FLAGS.params_override),
        sizes=Sizes(
            FLAGS.num_seed_photos, FLAGS.num_pool_photos, FLAGS.photos_per_round, FLAGS.num_steps
        ),
    )
    loop.begin()
    for number in range(1, FLAGS.num_rounds + 1):
        loop.go_round(number)
    if FLAGS.control:
        loop.train_control(FLAGS.num_rounds)
    figures = loop.figures(FLAGS.num_rounds, FLAGS.control)
    path = loop.work_dir / "figures.json"
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    define_flags()
    app.run(main)
