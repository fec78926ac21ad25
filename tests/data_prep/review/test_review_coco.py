import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_prep.annotations import masks
from data_prep.auto_mask.store import MaskStore, PhotoMasks, ProductMask
from data_prep.review.coco import export_coco, import_coco

REPO_DIR = Path(__file__).resolve().parents[3]
RNG = np.random.default_rng(5)


def product(category, height=40, width=30):
    mask = (RNG.random((height, width)) > 0.5).astype(np.uint8)  # the hardest mask for a codec
    return ProductMask(category, masks.rle_from_mask(mask)["counts"].decode())


@pytest.fixture
def store(tmp_path):
    with MaskStore(tmp_path / "masks") as store:
        store.add(PhotoMasks("dress/a.jpg", 40, 30, 0.9, (product("dress"), product("dress"))))
        store.add(PhotoMasks("top/b.jpg", 40, 30, 0.2, (product("top"),), review="rejected"))
        store.add(PhotoMasks("top/c.jpg", 40, 30, 0.0, ()))
        yield store


def test_round_trip_keeps_every_mask_and_decision(store, tmp_path):
    before = dict(store.photos)
    export_coco(store, tmp_path / "out.json")
    counts = import_coco(store, tmp_path / "out.json")
    assert counts == {"photos imported": 3}
    assert store.photos == before


def test_round_trip_through_a_tool_that_drops_what_it_does_not_know(store, tmp_path):
    """Only COCO's own fields come back, RLE as numbers, and names without their folder."""
    export_coco(store, tmp_path / "out.json")
    coco = json.loads((tmp_path / "out.json").read_text())
    for image in coco["images"]:
        for key in ("confidence", "review", "reasons", "engine"):
            del image[key]
        image["file_name"] = image["file_name"].split("/")[1]
    for annotation in coco["annotations"]:
        del annotation["confidence"], annotation["review"]
        mask = masks.mask_from_rle(annotation["segmentation"])
        flat = mask.ravel(order="F")
        edges = np.flatnonzero(np.diff(flat)) + 1
        runs = np.diff([0, *edges, flat.size]).tolist()
        annotation["segmentation"] = {
            "size": annotation["segmentation"]["size"],
            "counts": [0, *runs] if flat[0] else runs,
        }
    (tmp_path / "back.json").write_text(json.dumps(coco))
    before = {name: photo.products for name, photo in store.photos.items()}
    import_coco(store, tmp_path / "back.json")
    assert {name: photo.products for name, photo in store.photos.items()} == before
    assert {photo.review for photo in store.photos.values()} == {"accepted"}


def test_polygons_and_new_categories_come_in(store, tmp_path):
    coco = {
        "images": [{"id": 5, "file_name": "top/c.jpg", "height": 40, "width": 30}],
        "annotations": [
            {
                "id": 1,
                "image_id": 5,
                "category_id": 2,
                "segmentation": [[5, 5, 15, 5, 15, 20, 5, 20]],
            }
        ],
        "categories": [{"id": 2, "name": "scarf"}],
    }
    (tmp_path / "in.json").write_text(json.dumps(coco))
    import_coco(store, tmp_path / "in.json")
    photo = store.photos["top/c.jpg"]
    expected = np.zeros((40, 30), np.uint8)
    expected[5:20, 5:15] = 1
    np.testing.assert_array_equal(masks.mask_from_rle(photo.rles()[0]), expected)
    assert (photo.products[0].category, photo.engine) == ("scarf", "coco")


def test_damaged_mask_is_told_and_unknown_photos_are_counted(store, tmp_path):
    coco = store.coco()
    coco["images"][0]["file_name"] = "elsewhere.jpg"
    (tmp_path / "in.json").write_text(json.dumps(coco))
    assert import_coco(store, tmp_path / "in.json")["photos not known here"] == 1
    coco["annotations"][2]["segmentation"]["counts"] = "\x00"
    (tmp_path / "in.json").write_text(json.dumps(coco))
    with pytest.raises(ValueError, match="annotation 3 of top/b.jpg: a damaged mask"):
        import_coco(store, tmp_path / "in.json")


def test_a_damaged_mask_leaves_all_photos_as_they_were(store, tmp_path):
    coco = store.coco()
    for image in coco["images"]:
        del image["review"]  # all would be accepted
    coco["annotations"][2]["segmentation"]["counts"] = "\x00"
    (tmp_path / "in.json").write_text(json.dumps(coco))
    before = dict(store.photos)
    with pytest.raises(ValueError, match="a damaged mask"):
        import_coco(store, tmp_path / "in.json")
    assert store.photos == before


def test_commands(store, tmp_path):
    store.write()
    for flag in ("--export_coco", "--import_coco"):
        command = [sys.executable, "-m", "data_prep.review", f"--dir={tmp_path / 'masks'}"]
        done = subprocess.run(
            [*command, f"{flag}={tmp_path / 'out.json'}"],
            cwd=REPO_DIR,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    assert "3 photos imported" in done.stdout


@pytest.mark.parametrize(
    "changed",
    [
        lambda name: f"3f2a9c01-{name.rpartition('/')[2]}",
        lambda name: f"upload\\{name.rpartition('/')[2]}",
        lambda name: f"/data/upload/4/{name.rpartition('/')[2]}",
    ],
)
def test_photos_are_known_whatever_a_tool_did_to_their_names(store, tmp_path, changed):
    export_coco(store, tmp_path / "out.json")
    content = json.loads((tmp_path / "out.json").read_text())
    for image in content["images"]:
        image["file_name"] = changed(image["file_name"])
    (tmp_path / "back.json").write_text(json.dumps(content))

    counts = import_coco(store, tmp_path / "back.json")

    assert counts == {"photos imported": len(content["images"])}


def test_a_json_of_other_photos_is_refused_with_both_names(store, tmp_path):
    export_coco(store, tmp_path / "out.json")
    content = json.loads((tmp_path / "out.json").read_text())
    content["images"] = [{**content["images"][0], "file_name": "shop/strange.jpg"}]
    (tmp_path / "back.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"none of its 1 photos .* 'shop/strange.jpg', expected"):
        import_coco(store, tmp_path / "back.json")


def test_polygons_for_tools_that_read_no_rle(tmp_path):
    """One a mask, whatever its holes and parts: Label Studio's converter reads the first alone."""
    distance = np.hypot(*(np.mgrid[:80, :60] - np.array([[[40]], [[30]]])))
    ring = ((distance < 25) & (distance > 12)).astype(np.uint8)
    ring[:6, :9] = 1
    dress = ProductMask("dress", masks.rle_from_mask(ring)["counts"].decode())
    with MaskStore(tmp_path / "masks") as store:
        store.add(PhotoMasks("dress/a.jpg", 80, 60, 0.9, (dress,)))
        loss = export_coco(store, tmp_path / "out.json", as_polygons=True)

    content = json.loads((tmp_path / "out.json").read_text())
    assert {"info", "licenses"} <= content.keys()
    (annotation,) = content["annotations"]
    (polygon,) = annotation["segmentation"]
    drawn = masks.mask_from_rle(masks.rle_from_polygons([polygon], 80, 60))
    iou = (drawn & ring).sum() / (drawn | ring).sum()
    assert loss == pytest.approx((iou, iou))
    assert 0.95 < iou <= 1.0


def test_json_of_another_tool_names_the_command_that_converts_it(store, tmp_path):
    path = tmp_path / "tasks.json"
    path.write_text('[{"id": 1, "data": {"image": "a.jpg"}, "annotations": []}]')
    with pytest.raises(ValueError, match=r"tasks.json: Label Studio's json, .*data_prep.convert "):
        import_coco(store, path)
