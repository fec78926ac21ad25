"""A data set that the tests put beside the others: one folder, no edit elsewhere."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep import dataset_registry
from tests.data_prep.raw_modanet import draw_jpeg

REPO_DIR = Path(__file__).resolve().parents[2]
TOY_INIT = 'RAW_PATH_FLAGS = {"photo": "The photo.", "annotations": "Numbers."}\n'
TOY_BUILDER = '''
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from data_prep.annotations import masks
from data_prep.annotations.annotated_image import AnnotatedImage, Instance
from data_prep.build.builder import PreparedDatasetBuilder
from data_prep.readers.raw_dataset import Conversion, ImageKey, RawDataset, RawSource


class Source(RawSource):
    def records(self, image_ids):
        return iter(image_ids)


class Converter:
    def __init__(self, path):
        self.path = path

    def __call__(self, record):
        rle = masks.rle_from_mask(np.ones((30, 40)))
        instance = Instance(1, rle, masks.bbox_from_rle(rle), masks.area_from_rle(rle))
        encoded = self.path.read_bytes()
        name = f"{record}.jpg"
        return Conversion(name, AnnotatedImage(record, name, encoded, 30, 40, (instance,)))


class Builder(PreparedDatasetBuilder):
    """Eight times the same sock."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "none"

    @classmethod
    def raw_files(cls, raw_dir, options):
        return [options.raw_paths.get("photo", raw_dir / "photo.jpg")]

    @classmethod
    def open_raw(cls, raw_dir, options):
        keys = [ImageKey(i, str(i)) for i in range(8)]
        source = Source("photo", 8, 8, Converter(cls.raw_files(raw_dir, options)[0]), keys)
        return RawDataset(("sock",), [source])
'''


@pytest.fixture
def repo_copy(tmp_path) -> Path:
    """The project's data_prep/, with what it imports, and one more folder."""
    copy = tmp_path / "copy"
    no_bytecode = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPO_DIR / "data_prep", copy / "data_prep", ignore=no_bytecode)
    for folder in ("io", "structures"):  # what data_prep may import of tfseg
        target = copy / "tfseg" / folder
        shutil.copytree(REPO_DIR / "tfseg" / folder, target, ignore=no_bytecode)
    (copy / "tfseg" / "__init__.py").touch()
    folder = copy / "data_prep" / "datasets" / "toy"
    folder.mkdir()
    (folder / "__init__.py").write_text(TOY_INIT)
    (folder / "toy_dataset_builder.py").write_text(TOY_BUILDER)
    (folder / "README.md").write_text("# Toy\n")
    (folder / "CITATIONS.bib").touch()
    return copy


def build(repo_copy, *flags):
    return subprocess.run(
        [sys.executable, "-m", "data_prep.build_tfrecords", *flags],
        cwd=repo_copy,
        capture_output=True,
        text=True,
        timeout=90,
    )


def test_dataset_names_are_the_folders_with_a_builder():
    expected = (
        *("ccp", "coco", "combined", "fashionpedia", "fgvc6", "modanet", "product", "pseudo"),
        *("reviewed", "sample"),
    )
    assert dataset_registry.dataset_names() == expected


def test_raw_path_flags_of_modanet():
    assert list(dataset_registry.raw_path_flags("modanet")) == [
        "annotations",
        "photos_lmdb",
        "photos_db",
    ]


def test_raw_path_flags_of_a_data_set_without_any():
    assert dataset_registry.raw_path_flags("sample") == {}


@pytest.mark.slow
def test_a_new_data_set_is_one_folder(repo_copy, tmp_path):
    (tmp_path / "my.jpg").write_bytes(draw_jpeg(40, 30))
    ended = build(
        repo_copy,
        "--dataset=toy",
        f"--raw_dir={tmp_path}",
        f"--data_dir={tmp_path}/prepared",
        f"--photo={tmp_path}/my.jpg",
        "--num_workers=2",
        "--num_folds=2",
        "--fold=0",
    )
    assert ended.returncode == 0, ended.stderr
    folder = tmp_path / "prepared" / "toy" / "1.0.0"
    report = json.loads((folder / "prep_report.json").read_text())
    assert report["category_names"] == ["sock"]
    assert report["raw_files"][0]["name"] == "my.jpg"
    assert sum(split["num_instances"] for split in report["splits"].values()) == 8


def test_the_place_of_another_data_set_s_files_is_refused(repo_copy, tmp_path):
    ended = build(
        repo_copy,
        "--dataset=toy",
        f"--raw_dir={tmp_path}",
        f"--data_dir={tmp_path}/prepared",
        "--photos_lmdb=photos.lmdb",
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        "error: --photos_lmdb: the data set 'toy' has no such place of raw files; expected "
        "--photo, --annotations.\n"
    )


def test_help_says_what_a_shared_flag_is_to_each_data_set(repo_copy):
    ended = build(repo_copy, "--helpfull")
    text = " ".join(ended.stdout.split())
    assert "modanet: The jsons' folder, or the train json." in text
    assert "product: The COCO json, such as auto_mask writes. toy: Numbers." in text


# Of requirements.txt, but neither in requirements-beam.txt nor needed by what is.
NOT_ON_BEAMS_WORKERS = (
    "official",
    "platformdirs",
    "safetensors",
    "starlette",
    "tf_keras",
    "uvicorn",
)


def test_builders_import_with_what_beams_workers_have():
    """tests/beam would fail, too, but has an environment of its own and comes last of all."""
    program = f"""
import importlib, sys
sys.modules.update(dict.fromkeys({NOT_ON_BEAMS_WORKERS}))
from data_prep import dataset_registry
from data_prep.auto_mask import engines
for name in dataset_registry.dataset_names():
    importlib.import_module(f"data_prep.datasets.{{name}}.{{name}}_dataset_builder")
engines.load_engine("cutout")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=REPO_DIR, capture_output=True, text=True
    )

    assert ended.returncode == 0, ended.stderr[-2000:]
