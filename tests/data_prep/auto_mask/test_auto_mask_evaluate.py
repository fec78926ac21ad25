import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.auto_mask import evaluate
from data_prep.auto_mask.run import run
from tests.data_prep import product_folder

REPO_DIR = Path(__file__).resolve().parents[3]


def square(left, size=100):
    mask = np.zeros((size, size), np.uint8)
    mask[20:60, left : left + 40] = 1
    return mask


def test_iou_and_boundary_f_of_equal_masks_are_1():
    assert evaluate.mask_iou(square(20), square(20)) == 1
    assert evaluate.boundary_f(square(20), square(20)) == 1


def test_iou_counts_pixels():
    assert evaluate.mask_iou(square(20), square(30)) == pytest.approx(30 / 50)


def test_boundary_f_forgives_one_pixel_and_no_more():
    assert evaluate.boundary_f(square(20), square(21)) == 1
    # Of 156 pixels of each outline, those of the two shifted sides are not found.
    assert 0.4 < evaluate.boundary_f(square(20), square(24)) < 0.6


def test_empty_masks():
    empty = np.zeros((100, 100), np.uint8)
    assert evaluate.mask_iou(empty, square(20)) == 0
    assert evaluate.boundary_f(empty, square(20)) == 0
    assert evaluate.boundary_f(empty, empty) == 1


def test_table_counts_honesty_among_the_good_only():
    judged = [
        evaluate.Judged("a/white_1.jpg", 0.99, 1.0, 0.9, True),
        evaluate.Judged("a/white_2.jpg", 0.50, 0.5, 0.9, True),
        evaluate.Judged("a/grey_1.jpg", 0.30, 0.0, 0.1, False),
    ]
    lines = evaluate.table(judged).splitlines()
    assert lines[1].split() == ["grey", "1", "0.3000", "0.0%", "0.0000", "0.0%", "-"]
    assert lines[2].split() == ["white", "2", "0.7450", "50.0%", "0.7500", "100.0%", "50.0%"]
    assert lines[3].split() == ["all", "3", "0.5967", "33.3%", "0.5000", "66.7%", "50.0%"]


def test_command_judges_what_auto_mask_wrote(tmp_path):
    for name in product_folder.write_photos(tmp_path / "photos"):
        path = (tmp_path / "truth" / name).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        truth = product_folder.TRUTH if name != "top/d.jpg" else product_folder.TRUTH * 0
        cv2.imwrite(str(path), truth * 255)
    run(tmp_path / "photos", tmp_path / "masks", "cutout", 1, False)
    command = [sys.executable, "-m", "data_prep.auto_mask.evaluate", f"--dir={tmp_path / 'masks'}"]
    command += [f"--truth_dir={tmp_path / 'truth'}", f"--metrics_path={tmp_path / 'm.json'}"]
    done = subprocess.run(command, cwd=REPO_DIR, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("kind")
    figures = {
        one["file_name"]: one["iou"] for one in json.loads((tmp_path / "m.json").read_text())
    }
    assert sorted(figures) == ["dress/a.jpg", "dress/b.jpg", "top/c.png", "top/d.jpg"]
    assert min(figures.values()) > 0.96
    journal = tmp_path / "masks/masks.jsonl"
    half_written = journal.read_bytes() + b'{"file_name": "dress/n'  # by a run that goes on
    journal.write_bytes(half_written)
    assert len(evaluate.judge_store(tmp_path / "masks", tmp_path / "truth")) == 4
    assert journal.read_bytes() == half_written
    (tmp_path / "truth/dress/a.png").unlink()
    done = subprocess.run(command, cwd=REPO_DIR, capture_output=True, text=True)
    assert done.returncode == 1
    assert "truth/dress/a.png: no true mask" in done.stderr


def test_a_mistyped_folder_is_told_and_not_made(tmp_path):
    with pytest.raises(ValueError, match="mask: no masks.jsonl here"):
        evaluate.judge_store(tmp_path / "mask", tmp_path)
    assert list(tmp_path.iterdir()) == []
