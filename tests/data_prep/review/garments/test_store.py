import json
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep.annotations import masks
from data_prep.readers.review_folder import read_review
from data_prep.review.garments.coco_import import import_coco
from data_prep.review.garments.store import GarmentStore, StaleEdit
from tests.data_prep.review import drawn_review

REPO_DIR = Path(__file__).resolve().parents[4]


@pytest.fixture
def review_dir(tmp_path):
    return drawn_review.write(tmp_path)


def accept(store, name):
    return store.decide(replace(store.photos[name], review="accepted"), "accept")


def trim(store, name):
    photo = store.photos[name]
    return store.decide(replace(photo, instances=photo.instances[:2]), "delete")


def test_undo_goes_back_over_photos_and_over_a_restart(review_dir):
    with GarmentStore(review_dir) as store:
        first = store.photos["a.jpg"]
        trim(store, "a.jpg")
        accept(store, "a.jpg")
        accept(store, "b.jpg")
    with GarmentStore(review_dir) as store:
        assert store.undo(3).file_name == "b.jpg"
        undone = store.undo(2)
        assert (undone.file_name, undone.review, len(undone.instances)) == ("a.jpg", "pending", 2)
        undone = store.undo(1)
        assert undone.instances == first.instances
        assert (undone.revision, undone.is_touched) == (4, False)
        assert store.undo(0) is None
        assert store.photos == read_review(review_dir).photos


def test_a_stale_edit_and_a_stale_undo_change_nothing(review_dir):
    with GarmentStore(review_dir) as store:
        seen = store.photos["a.jpg"]
        accept(store, "a.jpg")
        with pytest.raises(StaleEdit, match=r"a.jpg: has been changed elsewhere \(revision 1"):
            store.decide(replace(seen, review="rejected"), "reject")
        with pytest.raises(StaleEdit, match="the last one is on a.jpg"):
            store.undo(0)
        assert store.photos["a.jpg"].review == "accepted"
    assert read_review(review_dir).photos["a.jpg"].review == "accepted"


def test_a_full_disk_is_told_and_leaves_no_half_decision(review_dir):
    path = review_dir / "decisions.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with GarmentStore(review_dir) as store:
        accept(store, "a.jpg")
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, hard))
        try:
            with pytest.raises(OSError, match=r"decisions.jsonl: the decision cannot be written"):
                accept(store, "b.jpg")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert store.photos["b.jpg"].review == "pending"
        accept(store, "c.jpg")
    photos = read_review(review_dir).photos
    assert {name: photo.review for name, photo in photos.items()} == {
        "a.jpg": "accepted",
        "b.jpg": "pending",
        "c.jpg": "accepted",
    }


def test_what_a_kill_left_is_cut_off(review_dir):
    with GarmentStore(review_dir) as store:
        accept(store, "a.jpg")
    with (review_dir / "decisions.jsonl").open("a") as file:
        file.write('{"file_name": "b.jpg", "revi')
    with GarmentStore(review_dir) as store:
        accept(store, "c.jpg")
    lines = (review_dir / "decisions.jsonl").read_text().splitlines()
    assert [json.loads(line)["file_name"] for line in lines] == ["a.jpg", "c.jpg"]


def test_accepted_and_corrected_photos_are_exported_and_the_rest_counted(review_dir, tmp_path):
    with GarmentStore(review_dir) as store:
        accept(store, "a.jpg")
        trim(store, "b.jpg")
        accept(store, "b.jpg")
        store.decide(replace(store.photos["c.jpg"], review="rejected"), "reject")
    command = [sys.executable, "-m", "data_prep.review", f"--dir={review_dir}"]
    done = subprocess.run(
        [*command, f"--export_coco={tmp_path / 'out.json'}"],
        cwd=REPO_DIR, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "out.json: 2 photos" in done.stdout
    assert "2 accepted, 1 corrected, 1 rejected" in done.stdout
    content = json.loads((tmp_path / "out.json").read_text())
    images = {image["file_name"]: image["is_corrected"] for image in content["images"]}
    assert images == {"a.jpg": False, "b.jpg": True}
    names = {category["id"]: category["name"] for category in content["categories"]}
    assert names == {1: "bag", 2: "belt", 3: "footwear", 4: "dress"}
    found = [(a["image_id"], names[a["category_id"]]) for a in content["annotations"]]
    assert found == [(1, "dress"), (1, "footwear"), (1, "belt"), (2, "dress"), (2, "footwear")]
    belt = content["annotations"][2]
    assert (belt["bbox"], belt["area"]) == ([72, 120, 76, 10], 760)


def test_a_photo_accepted_as_it_was_is_not_corrected_by_a_later_prediction(review_dir):
    """tfseg.predict --overwrite leaves the decisions and predicts all anew."""
    with GarmentStore(review_dir) as store:
        accept(store, "a.jpg")
        trim(store, "b.jpg")
        accept(store, "b.jpg")
        trim(store, "c.jpg")
        accept(store, "c.jpg")
        store.undo(5)
        store.undo(4)
        accept(store, "c.jpg")
    path = review_dir / "predictions.jsonl"
    anew = [json.loads(line) for line in path.read_text().splitlines()]
    for photo in anew:
        photo["instances"] = photo["instances"][:1]
    path.write_text("".join(json.dumps(photo) + "\n" for photo in anew))
    with GarmentStore(review_dir) as store:
        corrected = {image["file_name"]: image["is_corrected"] for image in store.coco()["images"]}
        assert corrected == {"a.jpg": False, "b.jpg": True, "c.jpg": False}
        assert store.counts() == {"accepted": 3, "corrected": 1}


def test_what_another_tool_made_of_it_comes_in_as_decisions(review_dir, tmp_path):
    with GarmentStore(review_dir) as store:
        store.exports_all = True
        content = store.coco()
        for image in content["images"]:
            del image["review"]
        content["images"] = content["images"][:2]
        bag = masks.rle_from_mask(drawn_review.mask_of("bag"))["counts"].decode()
        content["annotations"][1]["segmentation"]["counts"] = bag
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] < 3]
        (tmp_path / "back.json").write_text(json.dumps(content))

        counts = import_coco(store, tmp_path / "back.json")

        assert counts == {"photos imported": 2}
        assert [store.photos[n].review for n in ("a.jpg", "b.jpg", "c.jpg")] == [
            "accepted",
            "accepted",
            "pending",
        ]
        instances = store.photos["a.jpg"].instances
        assert [(i.score, i.source) for i in instances] == [
            (0.95, "model"),
            (None, "person"),
            (0.3, "model"),
        ]
        np.testing.assert_array_equal(
            masks.mask_from_rle(store.photos["a.jpg"].rles()[1]), drawn_review.mask_of("bag")
        )
        assert store.undo(2).file_name == "b.jpg"


def test_folders_that_are_not_there_are_named(review_dir, tmp_path):
    def error_of(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "data_prep.review", "--port=0", *arguments],
            cwd=REPO_DIR,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 1
        return done.stderr

    missing = tmp_path / "missing"
    assert f"--dir={missing}: no such folder" in error_of(f"--dir={missing}")
    told = error_of(f"--dir={review_dir}", f"--photos_dir={missing}")
    assert f"--photos_dir={missing}: no such folder" in told
