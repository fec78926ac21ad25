import io
import json

import numpy as np
import pytest
from PIL import Image

from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.build.splits import SplitPlan
from data_prep.datasets.coco.coco_dataset_builder import Builder
from data_prep.prepared import open_prepared

ATTRIBUTES = [{"id": 3, "name": "striped"}, {"id": 7, "name": "zip"}]


def square(left, **fields):
    polygon = [left, 2, left + 20, 2, left + 20, 28, left, 28]
    return {"image_id": 5, "category_id": 1, "segmentation": [polygon], **fields}


def raw_folder(folder, annotations, **lists):
    folder.mkdir()
    pixels = np.full((30, 60, 3), 128, np.uint8)
    pixels[:, :30] = (200, 20, 30)
    pixels[:, 30:] = (30, 60, 190)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    (folder / "5.jpg").write_bytes(buffer.getvalue())
    content = {
        "images": [{"id": 5, "file_name": "5.jpg", "height": 30, "width": 60}],
        "categories": [{"id": 1, "name": "bag"}],
        "annotations": [{"id": i, **a} for i, a in enumerate(annotations, start=1)],
        **lists,
    }
    (folder / "all.json").write_text(json.dumps(content))
    return folder


def built(folder, data_dir, colour_attributes=True):
    options = PrepOptions(
        num_workers=1,
        split_plan=SplitPlan(val_percent=0),
        raw_paths={"annotations": folder / "all.json", "photos_dir": folder},
        colour_attributes=colour_attributes,
    )
    build_dataset(Builder, folder, data_dir, options)
    prepared = open_prepared(data_dir)
    truth = json.loads(prepared.ground_truth_path(prepared.splits[0]).read_text())
    return prepared, [a.get("attribute_ids") for a in truth["annotations"]]


def test_a_set_without_attributes_gets_colours(tmp_path):
    raw = raw_folder(tmp_path / "raw", [square(5), square(35), square(20, iscrowd=1)])
    prepared, attribute_ids = built(raw, tmp_path / "prepared")
    assert list(prepared.attribute_names.values()) == [
        "black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink",
        "brown",
    ]  # fmt: skip
    assert attribute_ids == [[3], [7], None]
    assert prepared.category_attributes == {1: (3, 7)}


def test_colours_come_after_a_sets_own_and_only_where_those_are_known(tmp_path):
    annotations = [square(5, attribute_ids=[7]), square(35, attribute_ids=[]), square(6)]
    raw = raw_folder(tmp_path / "raw", annotations, attributes=ATTRIBUTES)
    prepared, attribute_ids = built(raw, tmp_path / "prepared")
    assert prepared.attribute_names[8] == "black"
    assert attribute_ids == [[7, 11], [15], None]


def test_other_options_are_another_data_set(tmp_path):
    raw = raw_folder(tmp_path / "raw", [square(5)])
    _, attribute_ids = built(raw, tmp_path / "prepared", colour_attributes=False)
    assert attribute_ids == [None]
    with pytest.raises(ValueError, match="colour_attributes"):
        built(raw, tmp_path / "prepared")
