"""The full-size recipes on faked GPUs: each takes its steps, saves and goes on."""

import json
import os

import pytest

from tests import forked
from tests.benchmarks.gpu_check import cases
from tests.tfseg import small_experiment

pytestmark = pytest.mark.slow

QUIET = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
# XLA has turned the whole step of both replicas into its own form when it says so; it lacks
# collectives for the CPU alone.
NO_COLLECTIVES_ON_CPU = "Collectives are not yet implemented for CPU devices"
# Of all but the first, modanet_r50, which gpu_check's test trains.
PRECISIONS = ("bfloat16", "bfloat16", "float16", "float32", "float16", "float32")
OTHER_RECIPES = [
    f"{recipe}={precision}" for recipe, precision in zip(cases.RECIPES[1:], PRECISIONS, strict=True)
]
# Those are minutes of tracing, for when a recipe or the training has changed.
ASKED_FOR_ALL = bool(os.environ.get("TFSEG_ALL_RECIPES"))


@pytest.fixture(scope="module")
def prepared_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    small_experiment.write_prepared(folder / "prepared")
    return folder


def train(prepared_dir, work_dir, num_gpus, compiler, recipe, *lengths, timeout=600):
    (work_dir / "prepared").symlink_to(prepared_dir / "prepared")
    return forked.run(
        "tests.tfseg.training.gpu_path.run_recipes",
        *(num_gpus, work_dir, compiler, recipe, *lengths),
        env=QUIET,
        timeout=timeout,
    )


def test_a_recipe_takes_its_steps_saves_and_goes_on(prepared_dir, tmp_path):
    """The recipe with most choices: averages, copy-paste, repeat factors, here with a loss scale.

    modanet_r50 in bfloat16, compiled on one GPU and plain on two, is gpu_check's test.
    """
    ended = train(prepared_dir, tmp_path, 2, "plain", "modanet_r50_1024=float16", 2, 3)

    assert ended.returncode == 0, ended.stderr[-3000:]
    told = json.loads(ended.stdout.strip().splitlines()[-1])
    assert told == {"step": 3, "finite": True, "averaged": True}


def test_xla_takes_the_whole_step_of_two_gpus(prepared_dir, tmp_path):
    """What stops it is the CPU's lack of collectives, not a variable of one replica."""
    ended = train(prepared_dir, tmp_path, 2, "xla", "modanet_r50=bfloat16", 2)

    assert ended.returncode != 0
    assert NO_COLLECTIVES_ON_CPU in ended.stderr, ended.stderr[-3000:]
    assert "merge_call called while defining a new graph" not in ended.stderr


def test_a_step_of_every_recipe_is_traced(prepared_dir, tmp_path):
    """On four GPUs; with TFSEG_ALL_RECIPES=1 every recipe on two, and on eight."""
    (tmp_path / "prepared").symlink_to(prepared_dir / "prepared")
    jobs = ["modanet_r50=bfloat16@4"]
    if ASKED_FOR_ALL:
        jobs += [f"{recipe}@2" for recipe in OTHER_RECIPES] + ["modanet_r50=bfloat16@8"]
    ended = forked.run(
        "tests.tfseg.training.gpu_path.trace_recipes", tmp_path, *jobs, env=QUIET, timeout=900
    )

    assert ended.returncode == 0, ended.stderr[-3000:]
    assert list(json.loads(ended.stdout.strip().splitlines()[-1])) == jobs


@pytest.mark.skipif(not ASKED_FOR_ALL, reason="many minutes; asked for by TFSEG_ALL_RECIPES=1")
@pytest.mark.parametrize("recipe", OTHER_RECIPES)
def test_every_recipe_trains_on_two_gpus_goes_on_and_is_exported_on_one(
    prepared_dir, tmp_path, recipe
):
    ended = train(prepared_dir, tmp_path, 2, "plain", recipe, 2, 3, timeout=3600)

    assert ended.returncode == 0, ended.stderr[-3000:]
    told = json.loads(ended.stdout.strip().splitlines()[-1])
    assert told["step"] == 3 and told["finite"]

    model_dir = tmp_path / recipe.replace("=", "_")
    exported = forked.run(
        *("tests.tfseg.training.gpu_path.faked_gpus", 1, "tfseg.export"),
        *(f"--model_dir={model_dir}", f"--export_dir={tmp_path / 'export'}"),
        env=QUIET,
    )
    assert exported.returncode == 0, exported.stderr[-3000:]
    assert len(list((tmp_path / "export").glob("**/saved_model.pb"))) == 1, exported.stdout
