"""How long it takes to build a model: ours against Model Garden's task, in turn, by categories.

python -m tests.benchmarks.model_build

Every training, evaluation, export and import of weights begins with it. Prints a line for each
number of categories: processor seconds of each (the median of --rounds) and their ratio.
"""

import statistics
import time
from pathlib import Path

from absl import app, flags

from tests.tfseg import small_experiment

FLAGS = flags.FLAGS
RECIPE = "configs/modanet_r50.yaml"


def define_flags() -> None:
    """Defines the flags."""
    flags.DEFINE_list("num_categories", ["13", "46", "90"], "Numbers of categories.")
    flags.DEFINE_integer("rounds", 3, "Builds of each kind, after one that is not counted.", 1)


def seconds_of(build, task) -> float:
    """Processor seconds of a build."""
    import tf_keras

    tf_keras.backend.clear_session()
    begin = time.process_time()
    build(task)
    return time.process_time() - begin


def main(_) -> None:
    """Builds and prints."""
    from official.vision.tasks import maskrcnn

    from tfseg.configs import experiment
    from tfseg.modeling import factory

    builds = {
        "Model Garden's": lambda task: maskrcnn.MaskRCNNTask(task).build_model(),
        "ours": factory.build_model,
    }
    print(f"{RECIPE}, R50-FPN\n| categories | Model Garden's | ours | ratio |\n|---|---|---|---|")
    for number in map(int, FLAGS.num_categories):
        names = [f"category {index}" for index in range(number)]
        prepared = small_experiment.open_written(Path("prepared"), names=names)
        configs = ["configs/r50_512.yaml", RECIPE]
        task = experiment.build_params("maskrcnn_resnetfpn_fashion", configs, [], prepared).task
        taken: dict[str, list[float]] = {name: [] for name in builds}
        for _ in range(FLAGS.rounds + 1):
            for name, build in builds.items():
                taken[name].append(seconds_of(build, task))
        theirs, own = (statistics.median(seconds[1:]) for seconds in taken.values())
        print(f"| {number} | {theirs:.1f} s | {own:.1f} s | {theirs / own:.1f} |", flush=True)


if __name__ == "__main__":
    define_flags()
    app.run(main)
