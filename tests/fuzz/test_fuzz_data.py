"""Damaged raw files: read, or refused by a ValueError that names the file."""

import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.datasets.fgvc6.train_csv import CsvRecord, TrainCsv
from data_prep.readers.coco_json import CocoJson
from data_prep.readers.photo_conversion import PhotoConverter, RecordConverter
from data_prep.readers.photo_encoding import PhotoError, prepare_photo
from data_prep.readers.photo_folder import PhotoFolder
from tests.fuzz.damage import FUZZ, VALUES, damaged_bytes, damaged_json

pytestmark = pytest.mark.slow

COCO = {
    "info": {"year": 2026},
    "images": [
        {"id": 1, "file_name": "1.png", "height": 30, "width": 40},
        {"id": 2, "file_name": "2.png", "height": 30, "width": 40},
    ],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "bbox": [4, 5, 10, 12],
            "area": 120,
            "iscrowd": 0,
            "segmentation": [[4, 5, 14, 5, 14, 17, 4, 17]],
        },
        {
            "id": 2,
            "image_id": 2,
            "category_id": 2,
            "bbox": [0, 0, 2, 3],
            "iscrowd": 1,
            "segmentation": {"size": [30, 40], "counts": [0, 3, 27, 3, 1167]},
        },
    ],
    "categories": [{"id": 1, "name": "bag"}, {"id": 2, "name": "dress", "supercategory": "x"}],
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for name in ("1.png", "2.png"):
        cv2.imwrite(str(folder / name), np.full((30, 40, 3), 90, np.uint8))
    return folder


def read_coco(path, photos):
    coco = CocoJson(path)
    coco.check_image_ids()
    ids = {raw_id: index for index, raw_id in enumerate(coco.category_names, start=1)}
    convert = RecordConverter(PhotoFolder(photos), PhotoConverter(ids, None))
    for image in coco.images:
        conversion = convert(coco.record(image))
        if conversion.image is not None:
            for instance in conversion.image.instances:
                assert 1 <= instance.category_id <= len(ids)


@FUZZ
@given(content=damaged_json(COCO) | VALUES)
def test_coco_json(photos, tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzzed.json"
    path.write_text(json.dumps(content))
    try:
        read_coco(path, photos)
    except ValueError as error:
        assert "fuzzed.json" in str(error)
        assert len(str(error)) < 600


@FUZZ
@given(contents=damaged_bytes(json.dumps(COCO).encode()))
def test_bytes_of_a_coco_json(photos, tmp_path_factory, contents):
    path = tmp_path_factory.getbasetemp() / "fuzzed.json"
    path.write_bytes(contents)
    try:
        read_coco(path, photos)
    except ValueError as error:
        assert "fuzzed.json" in str(error)


NAME = "0123456789abcdef0123456789abcdef.jpg"
CSV = (
    "ImageId,EncodedPixels,Height,Width,ClassId\n"
    f"{NAME},1 5 40 3,30,40,6_20_30\n{NAME},100 20,30,40,3\n"
).encode()


@FUZZ
@given(
    contents=damaged_bytes(CSV)
    | st.lists(st.text(max_size=30), max_size=5).map(
        lambda cells: CSV + ",".join(cells).encode("utf-8", "replace") + b"\n"
    )
)
def test_train_csv(tmp_path_factory, contents):
    path = tmp_path_factory.getbasetemp() / "fuzzed.csv"
    path.write_bytes(contents)
    try:
        csv = TrainCsv(path)
        ranks = list(range(len(csv.file_names)))
        for rank, rows in zip(ranks, csv.texts(ranks), strict=True):
            raw = CsvRecord(rank, csv.file_names[rank], rows, csv.columns).raw_photo()
            PhotoConverter({i: i + 1 for i in range(50)}, None).convert(raw, None)
    except ValueError as error:
        assert "fuzzed.csv" in str(error)


def encoded(suffix):
    pixels = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)
    return cv2.imencode(suffix, pixels)[1].tobytes()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".gif", ".tiff"])
def test_photos(suffix):
    whole = encoded(suffix)

    @FUZZ
    @given(contents=damaged_bytes(whole))
    def one(contents):
        try:
            photo = prepare_photo(contents, 20, None)
        except PhotoError as error:
            assert error.reason
            return
        assert cv2.imdecode(np.frombuffer(photo.encoded, np.uint8), cv2.IMREAD_COLOR) is not None

    one()
