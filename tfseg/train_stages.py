"""Trains one stage after another, each from the weights of the one before.

python -m tfseg.train_stages --stages_file=configs/fgvc6_modanet.stages.yaml --data_dir=DIR
    --model_dir=DIR

Stage n trains in model_dir/n_NAME. Run the same command again to go on where it stopped.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

import yaml
from absl import flags

from tfseg.configs import recipes
from tfseg.io import command_line

FLAGS = flags.FLAGS
_KEYS = {"name", "dataset", "config_files", "params_overrides"}


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    command_line.define_path("stages_file", None, "YAML file that lists the stages.", required=True)
    command_line.define_path("data_dir", None, "Folder with the prepared data sets.", required=True)
    command_line.define_path("model_dir", None, "Gets a folder for each stage.", required=True)
    command_line.define_path(
        "init_from", None, "What the first stage starts from; see tfseg.train."
    )
    flags.DEFINE_bool("from_scratch", False, "See tfseg.train; for the first stage.")
    flags.DEFINE_integer("num_gpus", None, "GPUs to use; all by default, 0 for the CPU.")
    flags.DEFINE_integer("seed", 0, "Seed of every stage.")
    flags.DEFINE_multi_string("params_override", [], "KEY=VALUE over every stage's own.")


def read_stages(path: str) -> list[dict]:
    """Reads a stages file: a list `stages` of mappings with name, dataset, config_files (a list)
    and params_overrides (KEY: value).

    Raises:
        ValueError: It cannot be read, or a stage has other keys or no name.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(
            f"{path}: cannot read the stages ({str(error).splitlines()[0]})."
        ) from None
    stages = content.get("stages") if isinstance(content, dict) else None
    if not isinstance(stages, list) or not stages:
        raise ValueError(f"{path}: expected a list `stages` of at least one stage.")
    for number, stage in enumerate(stages, 1):
        if not _is_stage(stage):
            raise ValueError(
                f"{path}: stage {number}: got {stage!r}, expected a mapping with name and any of "
                "dataset, config_files (a list), params_overrides (a mapping)."
            )
    return stages


def _is_stage(stage) -> bool:
    return (
        isinstance(stage, dict)
        and bool(stage.get("name"))
        and not set(stage) - _KEYS
        and isinstance(stage.get("config_files", []), list)
        and isinstance(stage.get("params_overrides", {}), dict)
    )


def stage_command(stage: dict, model_dir: Path, init_from: str | None) -> list[str]:
    """The tfseg.train command of one stage."""
    arguments = [f"--data_dir={FLAGS.data_dir}", f"--model_dir={model_dir}", f"--seed={FLAGS.seed}"]
    arguments += [f"--config_file={path}" for path in stage.get("config_files", [])]
    overrides = [
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"  # null, not None
        for key, value in stage.get("params_overrides", {}).items()
    ]
    arguments += [f"--params_override={one}" for one in (*overrides, *FLAGS.params_override)]
    optional = {
        "dataset": stage.get("dataset"),
        "init_from": init_from,
        "num_gpus": FLAGS.num_gpus,
    }
    arguments += [f"--{name}={value}" for name, value in optional.items() if value is not None]
    return [sys.executable, "-m", "tfseg.train", *arguments]


def run_stage(command: list[str]) -> int:
    """Runs a command to its end and returns its exit code.

    An interrupt, a termination or the end of the terminal reaches it once, as SIGTERM: it has a
    session of its own, as a terminal's Ctrl-C would come to it too and end the save under way.

    Raises:
        KeyboardInterrupt: One of these came; the command has ended.
    """
    training, asked = None, []

    def hand_on(number, _) -> None:
        asked.append(number)
        if training is not None and len(asked) == 1:
            training.terminate()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heeded = [one for one in numbers if signal.getsignal(one) != signal.SIG_IGN]  # as by nohup
    before = {number: signal.signal(number, hand_on) for number in heeded}
    try:
        training = subprocess.Popen(command, start_new_session=True)
        if asked:
            training.terminate()
        returncode = training.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked:
        raise KeyboardInterrupt
    return returncode


def main(argv) -> None:
    """Reads the flags and trains the stages."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors(again=None):
        init_from = FLAGS.init_from
        stages = read_stages(recipes.find(FLAGS.stages_file, ".stages.yaml"))
        for number, stage in enumerate(stages, 1):
            model_dir = Path(FLAGS.model_dir) / f"{number}_{stage['name']}"
            print(f"stage {number} of {len(stages)}: {stage['name']}", flush=True)
            command = stage_command(stage, model_dir, init_from)
            if FLAGS.from_scratch and number == 1:
                command.append("--from_scratch")
            returncode = run_stage(command)
            if returncode:
                sys.exit(returncode)
            init_from = str(model_dir)


if __name__ == "__main__":
    command_line.run(define_flags, main)
