"""The wheel holds what a checkout holds, and its client needs no TensorFlow."""

import subprocess
import sys
import zipfile

import pytest

from tests.repository import REPO_DIR, git_files


@pytest.fixture(scope="module")
def unpacked_wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "-w", folder, REPO_DIR],
        check=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_the_wheel_holds_every_file_of_the_rooms_and_the_recipes(unpacked_wheel):
    shipped = {
        path.relative_to(unpacked_wheel).as_posix() for path in unpacked_wheel.rglob("*.*")
    } | {path.relative_to(unpacked_wheel).as_posix() for path in unpacked_wheel.rglob("NOTICE")}
    assert not set(git_files("tfseg", "data_prep", "serving")) - shipped
    recipes = {name.replace("configs/", "tfseg/recipes/") for name in git_files("configs")}
    assert recipes and not recipes - shipped
    assert not any(name.startswith("tests/") for name in shipped)


def test_commands_of_the_wheel_find_their_recipes_from_any_folder(unpacked_wheel, tmp_path):
    command = [sys.executable, "-m", "tfseg.train", "--config=modanet_r50", "--model_dir=m"]
    ended = subprocess.run(
        [*command, "--data_dir=nowhere"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(unpacked_wheel)},
        capture_output=True,
        text=True,
    )
    # Past its recipe, it stops at the data set.
    assert ended.returncode == 1 and ended.stderr.startswith("error: nowhere")


def test_the_client_imports_neither_tensorflow_nor_opencv(unpacked_wheel, tmp_path):
    code = """if True:
        import sys
        for name in ("tensorflow", "cv2", "PIL", "official"):
            sys.modules[name] = None  # importing it fails
        from serving.client import SegmentationClient
        import serving.client.__main__
        print(SegmentationClient.__module__)
    """
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(unpacked_wheel)},
        capture_output=True,
        text=True,
    )
    assert ended.stdout == "serving.client.segmentation_client\n", ended.stderr


def test_readmes_can_be_read_in_a_terminal():
    names = git_files("*README.md")
    wide = [
        f"{name}:{number}"
        for name in names
        for number, line in enumerate((REPO_DIR / name).read_text("utf-8").splitlines(), 1)
        if len(line) > 120
    ]

    assert len(names) > 10
    assert wide == []
