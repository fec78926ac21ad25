import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from tfseg import train_stages

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[2] / "configs"


def test_the_stages_file_of_configs_names_files_that_exist():
    stages = train_stages.read_stages(str(CONFIGS / "fgvc6_modanet.stages.yaml"))

    assert [stage["name"] for stage in stages] == [
        "fgvc6_heads", "fgvc6_all", "modanet_heads", "modanet_all",
    ]  # fmt: skip
    for stage in stages:
        assert all((CONFIGS.parent / path).is_file() for path in stage["config_files"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("stages: []", "expected a list `stages` of at least one"),
        ("stages: [{dataset: a}]", "stage 1: got .*expected a mapping with name"),
        ("stages: [{name: a}, {name: b, epochs: 3}]", "stage 2: got"),
        ("stages: [{name: a, config_files: b.yaml}]", r"config_files \(a list\)"),
        ("stages: [{name: a, params_overrides: [b=c]}]", r"params_overrides \(a mapping\)"),
        ("stages: [", "cannot read the stages"),
    ],
)
def test_a_bad_stages_file_is_refused(tmp_path, content, message):
    path = tmp_path / "a.yaml"
    path.write_text(content)

    with pytest.raises(ValueError, match=message):
        train_stages.read_stages(str(path))


@pytest.mark.parametrize("from_scratch", [False, True])
def test_each_stage_starts_from_the_one_before(tmp_path, monkeypatch, from_scratch):
    path = tmp_path / "s.yaml"
    path.write_text("stages: [{name: a, dataset: x, params_overrides: {b.c: [1]}}, {name: d}]")
    values = types.SimpleNamespace(
        stages_file=str(path), data_dir="data", model_dir="out", init_from="coco", num_gpus=2,
        seed=7, params_override=["e=f"], from_scratch=from_scratch,
    )  # fmt: skip
    monkeypatch.setattr(train_stages, "FLAGS", values)
    commands = []
    monkeypatch.setattr(train_stages, "run_stage", lambda command: commands.append(command) or 0)

    train_stages.main(["train_stages"])

    first, second = (command[3:] for command in commands)
    assert {"--data_dir=data", "--model_dir=out/1_a", "--init_from=coco", "--dataset=x"} < set(
        first
    )
    assert first.index("--params_override=b.c=[1]") < first.index("--params_override=e=f")
    assert {"--model_dir=out/2_d", "--init_from=out/1_a", "--num_gpus=2", "--seed=7"} < set(second)
    assert ("--from_scratch" in first, "--from_scratch" in second) == (from_scratch, False)


def test_overrides_reach_the_training_as_yaml_has_them(monkeypatch):
    flags = types.SimpleNamespace(data_dir="d", num_gpus=None, seed=0, params_override=[])
    monkeypatch.setattr(train_stages, "FLAGS", flags)
    overrides = {"ema": None, "flip": False, "rate": "1e-3", "drops": [6, None], "type": "sgd"}

    command = train_stages.stage_command(
        {"name": "a", "params_overrides": overrides}, Path("m"), None
    )

    assert [one.removeprefix("--params_override=") for one in command if "override" in one] == [
        "ema=null", "flip=false", "rate=1e-3", "drops=[6, null]", "type=sgd",
    ]  # fmt: skip


def test_a_stage_that_fails_ends_all_with_its_exit_code(monkeypatch):
    assert train_stages.run_stage(["false"]) == 1


_SAVES_AT_AN_INTERRUPT = """
import pathlib, sys, time
from tfseg.io import command_line
from tfseg.training.interrupts import interrupts_ignored
with command_line.one_line_errors():
    try:
        pathlib.Path(sys.argv[1], "started").touch()
        time.sleep(60)
    except KeyboardInterrupt:
        with interrupts_ignored():
            time.sleep(1.5)
            pathlib.Path(sys.argv[1], "saved").touch()
        raise
"""
_RUNS_IT = """
import sys
from tfseg import train_stages
from tfseg.io import command_line
with command_line.one_line_errors():
    train_stages.run_stage([sys.executable, "-c", sys.argv[1], sys.argv[2]])
"""


def test_ctrl_c_of_a_terminal_lets_the_stage_save(tmp_path):
    stages = subprocess.Popen(
        [sys.executable, "-c", _RUNS_IT, _SAVES_AT_AN_INTERRUPT, str(tmp_path)],
        cwd=CONFIGS.parent,
        start_new_session=True,
        # A job in the background of a shell ignores Ctrl-C, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for _ in range(3):  # a terminal's Ctrl-C comes to the whole group; users press it again
        os.killpg(stages.pid, signal.SIGINT)
        time.sleep(0.3)

    assert stages.wait(timeout=60) == 130
    assert (tmp_path / "saved").exists()


def test_interrupts_are_ignored_while_a_save_is_under_way():
    from tfseg.training.interrupts import interrupts_ignored

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    with interrupts_ignored():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
