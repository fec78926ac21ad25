import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.build.splits import SplitPlan
from data_prep.datasets.ccp.ccp_dataset_builder import Builder as CcpBuilder
from data_prep.datasets.pseudo.pseudo_dataset_builder import Builder
from data_prep.datasets.pseudo.reader import read_detections
from data_prep.datasets.pseudo.selection import Prediction, SelectionRules, Verdict
from data_prep.prepared import open_prepared
from tests import forked
from tests.data_prep.datasets.raw_ccp import RawCcp
from tests.data_prep.decoded import decode

RULES = SelectionRules({"bag": 0.9}, 0.7, 0.2, 0.5)


def rle(ymin, xmin, ymax, xmax) -> dict:
    mask = np.zeros((60, 40), np.uint8, order="F")
    mask[ymin:ymax, xmin:xmax] = 1
    return coco_mask.encode(mask)


def prediction(category, score, box=(0, 0, 10, 10)):
    return Prediction(category, score, rle(*box))


@pytest.mark.parametrize(
    ("category", "score", "tags", "expected"),
    [
        ("top", 0.7, None, Verdict.INSTANCE),
        ("top", 0.69, None, Verdict.UNSURE),
        ("top", 0.19, None, Verdict.TOO_LOW),
        ("bag", 0.89, None, Verdict.UNSURE),
        ("bag", 0.9, None, Verdict.INSTANCE),
        ("bag", 0.5, {"bag"}, Verdict.INSTANCE),
        ("bag", 0.49, {"bag"}, Verdict.UNSURE),
        ("top", 0.99, {"bag"}, Verdict.NOT_TAGGED),
        ("top", 0.6, set(), Verdict.UNSURE),
    ],
)
def test_scores_and_tags_decide(category, score, tags, expected):
    tags = None if tags is None else frozenset(tags)
    assert RULES.verdicts([prediction(category, score)], tags) == [expected]


def test_a_garment_is_predicted_once_and_the_best_prediction_wins():
    found = [
        prediction("top", 0.75),
        prediction("top", 0.8, (0, 0, 10, 9)),
        prediction("dress", 0.78),
        prediction("dress", 0.4, (30, 0, 40, 10)),
        prediction("top", 0.3, (0, 0, 10, 8)),
        prediction("dress", 0.1),
    ]
    assert RULES.verdicts(found, None) == [
        Verdict.DUPLICATE,
        Verdict.INSTANCE,
        Verdict.CONTRADICTED,
        Verdict.UNSURE,
        Verdict.DUPLICATE,
        Verdict.TOO_LOW,
    ]
    assert RULES.verdicts([], None) == []


def test_the_tags_decide_between_two_categories_of_one_mask():
    found = [
        prediction("footwear", 0.8),
        prediction("boots", 0.25),
        prediction("boots", 0.3, (20, 0, 30, 10)),
    ]
    expected = [Verdict.NOT_TAGGED, Verdict.INSTANCE, Verdict.UNSURE]
    assert RULES.verdicts(found, frozenset({"boots"})) == expected
    assert RULES.verdicts(found, frozenset({"boots", "footwear"}))[:2] == [
        Verdict.INSTANCE,
        Verdict.CONTRADICTED,
    ]


@pytest.fixture(scope="module")
def ccp(tmp_path_factory):
    """A built ccp of 6 photos with labels and 5 without."""
    folder = tmp_path_factory.mktemp("ccp")
    raw = RawCcp(folder / "raw")
    labels = np.zeros((60, 40), np.uint8)
    labels[:20, :20] = 5
    for number in range(1, 12):
        raw.add_photo(number)
        if number < 7:
            raw.label(number, labels)
    raw.tag(7, [0, 5, 1])
    raw.tag(8, [0, 2, 1])
    options = PrepOptions(split_plan=SplitPlan(num_folds=2, fold=0), num_workers=1)
    build_dataset(CcpBuilder, raw.folder, folder / "prepared", options)
    return raw.folder, folder / "prepared"


def entry(number, category, score, box):
    segmentation = rle(*box)
    segmentation["counts"] = segmentation["counts"].decode()
    name = f"{number:04d}.jpg"
    return {
        **{"file_name": name, "image_id": number, "category_id": 1, "category_name": category},
        **{"score": score, "segmentation": segmentation, "bbox": [0, 0, 1, 1]},
    }


DETECTIONS = [
    entry(1, "top", 0.99, (0, 0, 20, 20)),  # has labels already
    entry(7, "top", 0.6, (0, 0, 20, 20)),  # tagged
    entry(7, "dress", 0.95, (30, 0, 50, 20)),  # not tagged
    entry(7, "bag", 0.3, (50, 30, 60, 40)),
    entry(7, "bag", 0.09, (0, 30, 9, 40)),
    entry(8, "bag", 0.3, (0, 0, 20, 20)),  # nothing confident
    entry(9, "outer", 0.8, (5, 5, 40, 30)),  # no tags
]


@pytest.mark.slow
def test_confident_predictions_are_instances_and_unsure_ones_regions(ccp, tmp_path):
    raw_dir, like = ccp
    predictions = tmp_path / "detections.json"
    predictions.write_text(json.dumps(DETECTIONS))
    tags = open_prepared(like).path / "tags.json"

    printed = forked.run(
        *("data_prep.build_tfrecords", "--dataset=pseudo"),
        *(f"--predictions={predictions}", f"--photos_dir={raw_dir / 'photos'}"),
        *(f"--like={like}", f"--leave_out={like}", f"--tags={tags}"),
        *(f"--data_dir={tmp_path / 'pseudo'}", "--num_workers=1"),
    )

    assert printed.returncode == 0, printed.stderr
    prepared = open_prepared(tmp_path / "pseudo")
    assert prepared.splits == ("train",)
    assert prepared.category_names == open_prepared(like).category_names
    assert prepared.max_num_ignored == 2
    names = prepared.category_names
    truth = json.loads(prepared.ground_truth_path("train").read_text())
    found = [
        (a["image_id"], names[a["category_id"] - 1], a["iscrowd"], a["bbox"])
        for a in truth["annotations"]
    ]
    assert found == [
        (7, "top", 0, [0, 0, 20, 20]),
        (7, "dress", 1, [0, 30, 20, 20]),
        (7, "bag", 1, [30, 50, 10, 10]),
        (9, "outer", 0, [5, 5, 25, 35]),
    ]
    assert decode(tmp_path / "pseudo", "train")[7]["groundtruth_is_crowd"].tolist() == [0, 1, 1]
    report = json.loads(prepared.report_path.read_text())["sources"][0]
    left_out = {name: one["count"] for name, one in report["photos"]["left_out"].items()}
    assert left_out == {
        "photo_has_labels_already": 6,
        "no_prediction": 2,
        "no_confident_prediction": 1,
    }
    dropped = {name: one["count"] for name, one in report["annotations"]["dropped"].items()}
    assert dropped == {"photo_left_out": 2, "prediction_below_unsure_score": 1}
    assert "--crowds=instances" not in printed.stderr


def options(ccp, predictions, **paths):
    raw_dir, like = ccp
    given = {"predictions": predictions, "photos_dir": raw_dir / "photos", "like": like, **paths}
    return PrepOptions(num_workers=1, raw_paths=given)


@pytest.mark.slow
def test_scores_by_category_come_from_a_thresholds_file(ccp, tmp_path):
    predictions, scores = tmp_path / "detections.json", tmp_path / "thresholds.json"
    predictions.write_text(json.dumps(DETECTIONS))
    tuned = {"score_thresholds": {"outer": 0.85}, "default_score_threshold": 0.1, "nms_iou": None}
    scores.write_text(json.dumps(tuned))

    build_dataset(
        Builder,
        tmp_path,
        tmp_path / "pseudo",
        options(ccp, predictions, confident_scores=scores),
    )

    truth = json.loads(open_prepared(tmp_path / "pseudo").ground_truth_path("train").read_text())
    assert [image["file_name"] for image in truth["images"]] == ["0001.jpg", "0007.jpg"]


@pytest.mark.slow
def test_what_is_no_detections_json_is_named(ccp, tmp_path):
    path = tmp_path / "detections.json"

    def error(content) -> str:
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match="detections.json") as raised:
            Builder.open_raw(tmp_path, options(ccp, path))
        return str(raised.value)

    assert "got a dict, expected a list" in error({"images": []})
    assert "has no detections" in error([])
    assert "entry 1 has file_name 'None'" in error([{"image_id": 1}])
    assert "'hat', expected those of --like: bag, belt" in error(
        [entry(7, "hat", 0.9, (0, 0, 9, 9))]
    )
    assert "'0077.jpg'; give the folder" in error([entry(77, "bag", 0.9, (0, 0, 9, 9))])


def test_a_photo_may_need_all_that_its_tags_name():
    found = [
        prediction("top", 0.9),
        prediction("bag", 0.3, (20, 0, 30, 10)),
        prediction("belt", 0.1),
    ]
    strict = SelectionRules({}, 0.7, 0.2, 0.5, needs_all_tags=True)

    def enough(rules, tags):
        return rules.finds_enough(found, rules.verdicts(found, tags), tags)

    assert enough(strict, frozenset({"top", "bag"}))
    assert not enough(strict, frozenset({"top", "belt"}))
    assert enough(RULES, frozenset({"top", "belt"}))
    assert enough(strict, None)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"score": float("nan")}, "score nan"),
        ({"score": "0.9"}, "score '0.9'"),
        ({"segmentation": {"size": [60, 40], "counts": "\x80"}}, "ascii"),
        ({"segmentation": {"size": [60, 40], "counts": "5"}}, "its runs cover 5 pixels"),
        ({"segmentation": {"size": [0, 40], "counts": ""}}, "size"),
        ({"segmentation": {"size": [40, 60], "counts": "P[2"}}, "size .40, 60., another one"),
    ],
)
def test_a_damaged_detection_is_told_before_its_mask_is_compared(tmp_path, change, told):
    whole = {
        "file_name": "a.jpg",
        "category_name": "top",
        "score": 0.9,
        "segmentation": {"size": [60, 40], "counts": rle(0, 0, 10, 10)["counts"].decode()},
    }
    path = tmp_path / "detections.json"
    path.write_text(json.dumps([whole, {**whole, **change}]))

    with pytest.raises(ValueError, match=f"detections.json: entry 2 .*{told}"):
        read_detections(path, {"top": 1})


def test_entries_keep_their_places(tmp_path):
    path = tmp_path / "detections.json"
    path.write_text(json.dumps(DETECTIONS))

    entries = read_detections(path, {"top": 1, "dress": 2, "bag": 3, "outer": 4})

    assert [number for number, _ in entries["0007.jpg"]] == [2, 3, 4, 5]
