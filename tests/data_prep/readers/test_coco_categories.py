import json
import time

from data_prep.readers.coco_categories import used_categories
from data_prep.readers.coco_json import CocoJson


def write(tmp_path, categories):
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"images": [], "annotations": [], "categories": categories}))
    return CocoJson(path)


def test_very_many_categories_are_read_at_once(tmp_path):
    coco = write(tmp_path, [{"id": i, "name": f"c{i}"} for i in range(20_000)])
    began = time.monotonic()
    assert len(used_categories(coco)) == 20_000
    assert time.monotonic() - began < 2  # looked through for each, it took minutes


def test_a_group_alone_or_beside_categories_outside_of_it_is_a_category(tmp_path):
    alone = [{"id": 0, "name": "none"}]
    assert used_categories(write(tmp_path, alone)) == {0: "none"}
    group = {"id": 0, "name": "clothes"}
    others = [{"id": 1, "name": "top", "supercategory": "clothes"}, {"id": 2, "name": "bag"}]
    assert used_categories(write(tmp_path, [group, *others])) == {0: "clothes", 1: "top", 2: "bag"}
