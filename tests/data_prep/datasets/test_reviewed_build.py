import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.build.splits import SplitPlan
from data_prep.datasets.reviewed.assignments import assign
from data_prep.datasets.reviewed.reviewed_dataset_builder import Builder
from data_prep.prepared import open_prepared
from tests import forked
from tests.data_prep.decoded import decode

SIZE = (60, 40)


def garment(category, box, score=0.9, source="model") -> dict:
    ymin, xmin, ymax, xmax = box
    mask = np.zeros(SIZE, np.uint8, order="F")
    mask[ymin:ymax, xmin:xmax] = 1
    counts = coco_mask.encode(mask)["counts"].decode()
    return {"category": category, "score": score, "counts": counts, "source": source}


TOP, BAG = garment("top", (0, 0, 20, 20)), garment("bag", (30, 0, 50, 10))


class Review:
    """A folder as tfseg.predict --review_dir and data_prep.review write it."""

    def __init__(self, folder: Path):
        self.folder, self.photos_dir = folder / "REVIEW", folder / "photos"
        for path in (self.folder, self.photos_dir):
            path.mkdir(parents=True)
        settings = {
            **{"format": 1, "model": "drawn", "photos_dir": str(self.photos_dir)},
            **{"category_names": ["bag", "top"], "score_threshold": 0.2},
            **{"score_thresholds": {"bag": 0.5, "top": 0.5}, "nms_iou": None, "flip": False},
        }
        (self.folder / "review.json").write_text(json.dumps(settings))
        self._revisions: dict[str, int] = {}

    def _append(self, name: str, entry: dict) -> None:
        with (self.folder / name).open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def predict(self, name: str, *garments: dict, dhash: str) -> None:
        grey = int(dhash, 16) % 200
        cv2.imwrite(str(self.photos_dir / name), np.full((*SIZE, 3), grey, np.uint8))
        instances = [{k: g[k] for k in ("category", "score", "counts")} for g in garments]
        entry = {
            **{"file_name": name, "num_bytes": 1, "height": SIZE[0], "width": SIZE[1]},
            **{"dhash": dhash, "flip_disagreement": None, "instances": instances},
        }
        self._append("predictions.jsonl", entry)

    def decide(self, name: str, action: str, review: str, *garments: dict) -> None:
        revision = self._revisions[name] = self._revisions.get(name, 0) + 1
        entry = {
            **{"file_name": name, "revision": revision, "action": action, "time": 1.0},
            **{"review": review, "is_touched": True, "height": SIZE[0], "width": SIZE[1]},
            "instances": list(garments),
        }
        self._append("decisions.jsonl", entry)

    def accepted(self, number: int) -> str:
        """Adds a photo that looks like no other, accepted as it was predicted."""
        name = f"{number:03d}.jpg"
        self.predict(name, TOP, dhash=f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}")
        self.decide(name, "accept", "accepted", TOP)
        return name


@pytest.fixture
def review(tmp_path):
    return Review(tmp_path)


def build(review, data_dir, overwrite=False, **options):
    options = {"num_workers": 1, "split_plan": SplitPlan(), **options}
    given = PrepOptions(raw_paths={"review_dir": review.folder}, **options)
    path, _ = build_dataset(Builder, review.folder, data_dir, given, overwrite)
    return open_prepared(path)


def split_by_name(prepared) -> dict[str, str]:
    return {
        image["file_name"]: split
        for split in prepared.splits
        for image in json.loads(prepared.ground_truth_path(split).read_text())["images"]
    }


@pytest.mark.slow
def test_accepted_and_corrected_photos_are_built_and_the_others_counted(review, tmp_path):
    for number in range(1, 9):
        review.accepted(number)
    hexes = [f"{0xF0F0 << shift:016x}" for shift in range(0, 40, 8)]
    review.predict("corrected.jpg", TOP, dhash=hexes[0])
    review.decide("corrected.jpg", "add", "pending", TOP, BAG)
    review.decide("corrected.jpg", "accept", "accepted", TOP, {**BAG, "source": "person"})
    review.predict("empty.jpg", TOP, dhash=hexes[1])
    review.decide("empty.jpg", "delete", "pending")
    review.decide("empty.jpg", "accept", "accepted")
    review.predict("rejected.jpg", TOP, BAG, dhash=hexes[2])
    review.decide("rejected.jpg", "reject", "rejected", TOP, BAG)
    review.predict("begun.jpg", TOP, dhash=hexes[3])
    review.decide("begun.jpg", "delete", "pending")
    review.predict("untouched.jpg", TOP, dhash=hexes[4])

    printed = forked.run(
        *("data_prep.build_tfrecords", "--dataset=reviewed"),
        *(f"--review_dir={review.folder}", f"--data_dir={tmp_path / 'set'}", "--num_workers=1"),
    )

    assert printed.returncode == 0, printed.stderr
    prepared = open_prepared(tmp_path / "set")
    assert prepared.path.name == "1.0.14"  # decisions
    assert prepared.category_names == ("bag", "top")
    splits = split_by_name(prepared)
    assert sorted(splits) == sorted(
        [f"{n:03d}.jpg" for n in range(1, 9)] + ["corrected.jpg", "empty.jpg"]
    )
    examples = decode(prepared.path, splits["corrected.jpg"])
    kept = json.loads((review.folder / "splits.json").read_text())["photos"]
    corrected = examples[kept["corrected.jpg"]["image_id"]]
    assert sorted(corrected["groundtruth_classes"].tolist()) == [1, 2]
    empty = decode(prepared.path, splits["empty.jpg"])[kept["empty.jpg"]["image_id"]]
    assert empty["groundtruth_classes"].tolist() == []
    sources = json.loads(prepared.report_path.read_text())["sources"]
    left_out = {
        reason: one["count"] for s in sources for reason, one in s["photos"]["left_out"].items()
    }
    assert left_out == {
        "rejected_in_review": 1,
        "review_begun_but_not_accepted": 1,
        "not_reviewed": 1,
    }
    assert (
        sum(s["repairs"].get("photo_corrected_in_review", {"count": 0})["count"] for s in sources)
        == 2
    )
    assert "not reviewed" in printed.stdout


@pytest.mark.slow
def test_no_photo_leaves_val_while_the_set_grows(review, tmp_path):
    early = (1, 4, 5)  # whose hashes are all for train
    for number in early:
        review.accepted(number)
    first = split_by_name(build(review, tmp_path / "set"))
    assert sorted(first.values()) == ["train", "train", "val"]
    for number in set(range(1, 40)) - set(early):
        review.accepted(number)

    second = build(review, tmp_path / "set")
    after = split_by_name(second)

    # 15 %: val has photos of its own by now, the one that filled it stays all the same.
    assert {name: after[name] for name in first} == first
    assert list(after.values()).count("val") > 2
    assert sorted(path.name for path in (tmp_path / "set/reviewed").iterdir()) == [
        "1.0.3",
        "1.0.39",
    ]
    with pytest.raises(ValueError, match=r"several prepared data sets .*1\.0\.3, .*1\.0\.39"):
        open_prepared(tmp_path / "set")
    other = build(review, tmp_path / "other", split_plan=SplitPlan(50.0))
    assert split_by_name(other) == after
    folds = build(review, tmp_path / "folds", split_plan=SplitPlan(num_folds=2, fold=0))
    assert list(split_by_name(folds).values()).count("val") > 10


def test_photos_that_look_the_same_are_in_one_split(tmp_path):
    names = {f"{n}.jpg": f"{n * 0x9E3779B97F4A7C15 % 2**64:016x}" for n in range(1, 60)}
    first = assign(tmp_path, names, SplitPlan(50.0))
    twins = {f"twin {n}": f"{int(dhash, 16) ^ 0b101:016x}" for n, dhash in names.items()}

    second = assign(tmp_path, {**names, **twins}, SplitPlan(50.0))

    assert {name: second[name] for name in names} == first
    assert all(second[f"twin {name}"].split == first[name].split for name in names)
    assert len({one.image_id for one in second.values()}) == len(second)
    assert {one.split for one in first.values()} == {"train", "val"}


def test_a_damaged_splits_json_stops_the_build(tmp_path):
    assign(tmp_path, {"a.jpg": "", "b.jpg": ""}, SplitPlan())
    (tmp_path / "splits.json").write_text('{"format": 1')

    with pytest.raises(ValueError, match="splits.json: got .* put it back from a backup"):
        assign(tmp_path, {"a.jpg": ""}, SplitPlan())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image_id", None),
        ("image_id", 2),
        ("image_id", 2**24),
        ("dhash", "x"),
        ("dhash", 5),
        ("split", "maybe"),
    ],
)
def test_a_value_of_splits_json_that_no_build_wrote_stops_the_next(tmp_path, key, value):
    assign(tmp_path, {"a.jpg": "", "b.jpg": ""}, SplitPlan())
    path = tmp_path / "splits.json"
    content = json.loads(path.read_text())
    assert content["photos"]["b.jpg"]["image_id"] == 2
    content["photos"]["a.jpg"][key] = value
    path.write_text(json.dumps(content))

    with pytest.raises(ValueError, match="splits.json: got .* put it back from a backup"):
        assign(tmp_path, {"c.jpg": ""}, SplitPlan())


@pytest.mark.slow
def test_without_an_accepted_photo_the_way_to_one_is_told(review, tmp_path):
    review.predict("a.jpg", TOP, dhash="0" * 16)

    with pytest.raises(ValueError, match="none of its 1 photos is accepted; .*data_prep.review"):
        build(review, tmp_path / "set")
