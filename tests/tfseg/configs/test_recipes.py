import subprocess
import sys
from pathlib import Path

import pytest

from tfseg.configs import recipes

REPO_DIR = Path(__file__).resolve().parents[3]


def test_a_recipe_by_name_is_its_flags_with_paths_that_exist():
    expanded = recipes.expand(["train", "--config=modanet_r50_coco", "--seed=3"])
    assert expanded[0] == "train" and expanded[-1] == "--seed=3"
    paths = [Path(flag.removeprefix("--config_file=")) for flag in expanded[1:-1]]
    assert [path.name for path in paths] == ["r50_512.yaml", "modanet_r50.yaml", "coco_start.yaml"]
    assert all(path.is_absolute() and path.is_file() for path in paths)


@pytest.mark.parametrize(
    "given",
    [
        ["--flagfile=configs/demo.flags"],
        ["--flagfile", "configs/demo.flags"],
        ["--config", "demo"],
        ["--config=demo.flags"],
        ["--config=configs/demo.flags"],
    ],
)
def test_a_recipe_is_found_from_any_folder(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expanded = recipes.expand(["train", *given])
    names = [Path(flag.removeprefix("--config_file=")).name for flag in expanded[1:]]
    assert names == ["r50_256_light.yaml", "demo.yaml"]


def test_a_file_of_ones_own_comes_before_a_recipe_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("configs").mkdir()
    Path("configs/demo.flags").write_text("--config_file=own.yaml\n")
    assert recipes.expand(["train", "--flagfile=configs/demo.flags"]) == [
        "train",
        "--flagfile=configs/demo.flags",
    ]
    assert recipes.find("configs/demo.flags") == "configs/demo.flags"
    assert recipes.find("elsewhere/demo.yaml") == "elsewhere/demo.yaml"


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(ValueError, match=r"--config=modanet_r5: .*did you mean modanet_r50"):
        recipes.expand(["train", "--config=modanet_r5"])


def test_train_finds_a_recipe_from_another_folder(tmp_path):
    command = [sys.executable, "-m", "tfseg.train", "--config=demoo", "--data_dir=x"]
    ended = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(REPO_DIR)}, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert ended.stderr == "error: --config=demoo: no recipe of that name; did you mean demo?\n"
