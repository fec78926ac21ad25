"""The check for machines with GPUs works: run on faked ones, small."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.benchmarks.gpu_check import report, served_answer
from tests.benchmarks.gpu_check.cases import REPO_DIR, Case, plan
from tests.tfseg.drawn_examples import mask
from tfseg.structures.detections import Detections

FOUND = {
    "batch": 4,
    "size": "704 x 512",
    "first_step_s": 71.0,
    "images_a_second": 20.0,
    "cached_images_a_second": 21.0,
    "peak_bytes": 3 * 2**30,
    "finite": True,
    "losses": {"total_loss": 1.0},
}


def test_plan_has_every_way_of_the_first_recipe_and_all_gpus_of_the_others():
    planned = plan(["modanet_r50", "modanet_r101"], 4)

    assert planned[:2] == [Case("modanet_r50", 1), Case("modanet_r50", 4)]
    assert len(planned) == len(set(planned))
    for precision in ("bfloat16", "float32", "float16"):
        for xla in (True, False):
            assert Case("modanet_r50", 1, precision, xla) in planned
    assert {c.num_gpus for c in planned if c.recipe == "modanet_r50"} == {1, 2, 4}
    assert {c.num_gpus for c in planned if c.recipe == "modanet_r101"} == {1, 4}


def test_plan_leaves_xla_off_where_it_cannot_compile_many_devices():
    planned = plan(["modanet_r50"], 2, xla_on_many=False)

    assert {case.xla for case in planned if case.num_gpus == 2} == {False}
    assert Case("modanet_r50", 1) in planned


def test_training_table_has_scaling_and_the_share_of_nvidias_rate():
    measured = {
        Case("modanet_r50", 1): FOUND,
        Case("modanet_r50", 4): {**FOUND, "images_a_second": 60.0, "batch": 16},
    }

    lines = report.training_table(measured)

    assert "| modanet_r50 | 704 x 512 | 1 | 4 | bfloat16 | on | 20.0 | 0.70 (0.23" in lines[2]
    assert "| 3.00 of 4 | 21.0 | no | 3.0 | 71 | finite |" in lines[3]
    assert "28.6" in lines[-2] and "4.04 of 8" in lines[-1]
    assert len({line.count("|") for line in lines}) == 1


def test_training_table_tells_an_input_that_holds_the_gpus_up():
    lines = report.training_table({Case("a", 1): {**FOUND, "cached_images_a_second": 40.0}})

    assert "| 40.0 | yes |" in lines[2]


def test_problems_are_what_failed_alone():
    measured = {
        Case("a", 1): FOUND,
        Case("b", 1): {**FOUND, "finite": False},
        Case("c", 2): {"error": "out of memory"},
    }
    sums = [{"num_gpus": 1, "right": True}, {"num_gpus": 2, "right": False}]

    found = report.problems(measured, sums, {"equal": False})

    assert [line.split(",")[0].split(":")[0] for line in found] == [
        *("b", "c", "all-reduce over 2 GPUs", "served answer")
    ]
    assert report.problems({Case("a", 1): FOUND}, sums[:1], {"equal": True}) == []


def answer(masks, scores, categories) -> Detections:
    from pycocotools import mask as coco_mask

    rles = tuple(coco_mask.encode(np.asfortranarray(one)) for one in masks)
    return Detections(
        boxes_yxyx=np.zeros((len(masks), 4), np.float32),
        scores=np.array(scores, np.float32),
        category_ids=np.array(categories, np.int32),
        category_names=tuple(map(str, categories)),
        rles=rles,
        image_size_hw=(40, 40),
    )


ONE, SHIFTED = mask((40, 40), 5, 5, 25, 25), mask((40, 40), 5, 8, 25, 28)


@pytest.mark.parametrize(
    ("found", "equal"),
    [
        (answer([ONE], [0.81], [1]), True),
        (answer([ONE, ONE], [0.8, 0.32], [1, 2]), True),  # so near the threshold is no matter
        (answer([ONE], [0.75], [1]), False),
        (answer([ONE], [0.8], [2]), False),
        (answer([SHIFTED], [0.8], [1]), False),
        (answer([ONE, ONE], [0.8, 0.6], [1, 2]), False),
        (answer([], [], []), False),
    ],
)
def test_compare_finds_what_differs(found, equal):
    expected = answer([ONE], [0.8], [1])

    assert served_answer.compare(found, expected, 0.3)["equal"] is equal


@pytest.mark.slow
def test_the_check_runs_on_faked_gpus(tmp_path, model_cache):
    command = [
        *(sys.executable, "-m", "tests.benchmarks.gpu_check", "--small", "--faked_gpus=2"),
        *("--recipes=modanet_r50", "--num_photos=16", "--seconds=0", "--all_reduce_mb=0.5"),
        *("--batch_per_gpu=2", "--max_cases=2", f"--output_path={tmp_path}/report.md"),
    ]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, cwd=REPO_DIR, env=environment, capture_output=True, text=True, timeout=900
    )

    assert done.returncode == 0, done.stderr[-3000:]
    text = (tmp_path / "report.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| modanet_r50 |")]
    assert [row.count("finite") for row in rows] == [1, 1]
    assert "of 2 (one with XLA on)" in rows[1]
    assert "all-reduce over 2 GPUs: sums right" in text
    assert "served answer, GPU against CPU: equal" in text and " 0 detections" not in text
    assert "problem" not in text


@pytest.mark.slow
def test_a_training_that_fails_is_told_and_fails_the_check(tmp_path):
    from tests.benchmarks.gpu_check.__main__ import _json_of

    told = _json_of([sys.executable, "-c", "raise ValueError('no such | recipe')"], 60)

    assert told == {"error": "ended with 1: ValueError: no such / recipe"}
