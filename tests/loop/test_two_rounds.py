"""The loop at a size that teaches nothing, through all of its commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.prepared import open_prepared
from tests.loop.ccp_part import copy_part, labelled_names
from tests.tfseg.small_experiment import OVERRIDES

REPO_DIR = Path(__file__).resolve().parents[2]
STREET_DIR = REPO_DIR / os.environ.get("TFSEG_STREET_DIR", "../shared/street")
CCP_DIR = (STREET_DIR.parent / "ccp").resolve()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("TFSEG_LOOP_TESTS" not in os.environ, reason="takes many minutes"),
    pytest.mark.skipif(not CCP_DIR.is_dir(), reason=f"Clothing Co-Parsing is not at {CCP_DIR}"),
]


def go(ccp_dir, work_dir):
    arguments = [
        f"--ccp_dir={ccp_dir}",
        f"--work_dir={work_dir}",
        "--num_seed_photos=4",
        "--num_pool_photos=8",
        "--photos_per_round=3",
        "--num_steps=2",
        "--nocontrol",
        "--recipe=configs/street_r18_384.flags",
        *(f"--params_override={override}" for override in OVERRIDES),
        # Two steps teach nothing: let guesses through, so that there is something to correct.
        "--params_override=task.model.detection_generator.pre_nms_score_threshold=0.0",
        "--params_override=task.model.detection_generator.max_num_detections=5",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.loop.two_rounds", *arguments],
        cwd=REPO_DIR,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def file_names(data_dir):
    path = open_prepared(data_dir).ground_truth_path("train")
    return {image["file_name"] for image in json.loads(path.read_text())["images"]}


def test_two_rounds_and_a_second_call_that_finds_all_done(tmp_path):
    names = labelled_names(CCP_DIR)
    copy_part(CCP_DIR, names[:: len(names) // 20][:20], tmp_path / "ccp")
    work_dir = tmp_path / "work"
    printed = go(tmp_path / "ccp", work_dir)
    for command in ("tfseg.predict", "data_prep.build_tfrecords", "tfseg.train", "tfseg.evaluate"):
        assert f"python -m {command} " in printed

    figures = json.loads((work_dir / "figures.json").read_text())
    assert list(figures["models"]) == ["0", "1", "2"]
    assert [one["photos"] for one in figures["rounds"]] == [3, 3]
    assert [one["missing"] for one in figures["rounds"]] == [0, 0]
    assert all(one["mean_iou"] > 0.7 for one in figures["rounds"])

    seed, first, second = (
        file_names(work_dir / name) for name in ("seed", "reviewed_1", "reviewed_2")
    )
    assert (len(seed), len(first), len(second)) == (4, 3, 6)
    assert first < second
    assert not seed & second
    judged_path = open_prepared(work_dir / "prepared").ground_truth_path("val")
    judged = {image["file_name"] for image in json.loads(judged_path.read_text())["images"]}
    assert judged
    assert not judged & (seed | second)

    decisions = work_dir / "review" / "decisions.jsonl"
    before = decisions.read_bytes()
    assert "python -m" not in go(tmp_path / "ccp", work_dir)
    assert decisions.read_bytes() == before
