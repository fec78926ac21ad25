import json
from collections import Counter

import numpy as np
import pytest

from data_prep.annotations import masks
from data_prep.readers.review_folder import decision_counts, is_review_folder, read_review
from tests.data_prep.review import drawn_review
from tfseg.prediction.photo_files import PhotoFile
from tfseg.prediction.review_journal import ReviewJournal


@pytest.fixture
def review_dir(tmp_path):
    return drawn_review.write(tmp_path)


def decision(name, revision, action="accept", review="accepted", is_touched=True, categories=()):
    counts = masks.rle_from_mask(drawn_review.mask_of("dress"))["counts"].decode()
    instances = [{"category": c, "score": None, "counts": counts} for c in categories]
    return json.dumps(
        {
            "file_name": name, "revision": revision, "action": action, "time": 1.0,
            "review": review, "is_touched": is_touched, "height": 300, "width": 220,
            "instances": [{**instance, "source": "person"} for instance in instances],
        }
    )  # fmt: skip


def decide(review_dir, *lines, end="\n"):
    with (review_dir / "decisions.jsonl").open("a") as file:
        file.write("\n".join(lines) + end)


def categories(folder, name):
    return [instance.category for instance in folder.photos[name].instances]


def test_predictions_are_read_as_they_were_written(review_dir):
    folder = read_review(review_dir)

    assert is_review_folder(review_dir)
    assert folder.category_names == ("bag", "belt", "footwear", "dress")
    assert folder.settings.score_thresholds["belt"] == 0.5
    photo = folder.photos["b.jpg"]
    assert (photo.height, photo.width, photo.review, photo.revision) == (300, 220, "pending", 0)
    assert [(i.category, i.score) for i in photo.instances] == [
        ("dress", 0.95),
        ("footwear", 0.7),
        ("belt", 0.3),
    ]
    np.testing.assert_array_equal(
        masks.mask_from_rle(photo.rles()[1]), drawn_review.mask_of("footwear")
    )


def test_the_last_decision_counts_and_half_a_line_does_not(review_dir):
    decide(review_dir, decision("a.jpg", 1), decision("a.jpg", 2, review="rejected"))
    decide(
        review_dir,
        decision("b.jpg", 1, "category", categories=["skirt"]),
        decision("c.jpg", 1)[:40],
        end="",
    )

    folder = read_review(review_dir)

    assert {n: (p.review, p.revision) for n, p in folder.photos.items()} == {
        "a.jpg": ("rejected", 2),
        "b.jpg": ("accepted", 1),
        "c.jpg": ("pending", 0),
    }
    assert folder.category_names[-1] == "skirt"
    assert len(folder.history) == 3
    assert decision_counts(folder) == Counter(accepted=1, corrected=1, rejected=1, untouched=1)


def test_a_new_prediction_shows_where_nobody_has_decided(review_dir, tmp_path):
    decide(review_dir, decision("a.jpg", 1, categories=["dress"]))
    decide(review_dir, decision("b.jpg", 1, categories=["dress"]))
    decide(review_dir, decision("b.jpg", 2, "undo", "pending", is_touched=False))
    photos_dir = tmp_path / "photos"
    settings = drawn_review.settings(photos_dir, model="a better one")
    with pytest.raises(ValueError, match="model was 'drawn', is 'a better one'"):
        ReviewJournal(review_dir, settings)
    with ReviewJournal(review_dir, settings, overwrite=True) as journal:
        for name in ("a.jpg", "b.jpg", "c.jpg"):
            photo = PhotoFile(photos_dir / name, name)
            journal.add(photo, photo.path.stat().st_size, drawn_review.predicted({"bag": 0.9}, ""))

    folder = read_review(review_dir)

    assert categories(folder, "a.jpg") == ["dress"]
    assert categories(folder, "b.jpg") == ["bag"]
    assert categories(folder, "c.jpg") == ["bag"]
    assert folder.photos["b.jpg"].revision == 2
    assert len(folder.history) == 1


def test_the_journal_goes_on_where_it_was_stopped(review_dir, tmp_path):
    photos_dir = tmp_path / "photos"
    path = review_dir / "predictions.jsonl"
    path.write_bytes(path.read_bytes()[:-30])  # killed within the last line
    (photos_dir / "b.jpg").write_bytes(b"another photo by now")
    photos = [PhotoFile(photos_dir / name, name) for name in ("a.jpg", "b.jpg", "c.jpg")]

    with ReviewJournal(review_dir, drawn_review.settings(photos_dir)) as journal:
        missing = [photo.name for photo in journal.missing(photos)]
        journal.add_error(photos[1], "is no photo")

    assert missing == ["b.jpg", "c.jpg"]
    folder = read_review(review_dir)
    assert folder.photos["b.jpg"].error == "is no photo"
    assert set(folder.photos) == {"a.jpg", "b.jpg"}


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("predictions.jsonl", '{"file_name": 5}', "predictions.jsonl, line 4: got"),
        ("predictions.jsonl", '{"file_name": "d.jpg"}', "d.jpg: not a photo's record"),
        ("decisions.jsonl", decision("a.jpg", 1, review="maybe"), "review 'maybe'"),
        ("decisions.jsonl", decision("a.jpg", 1, review="m" * 900), f"review '{'m' * 20}'"),
        (
            "decisions.jsonl",
            decision("a.jpg", 1, categories=["dress"]).replace('"height": 300', '"height": 30'),
            "expected 30 x 220",
        ),
    ],
)
def test_a_damaged_folder_is_told(review_dir, name, line, words):
    with (review_dir / name).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ValueError, match=words):
        read_review(review_dir)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("review.json", "score_thresholds", {"bag": None}),
        ("review.json", "score_thresholds", {"bag": 10**400}),
        ("review.json", "category_names", ["bag", "bag"]),
        ("review.json", "category_names", "bag"),
        ("review.json", "photos_dir", 5),
        ("review.json", "nms_iou", "0.5"),
        ("predictions.jsonl", "dhash", "xyz"),
        ("predictions.jsonl", "height", 300.5),
        ("predictions.jsonl", "flip_disagreement", float("nan")),
        ("predictions.jsonl", "model_disagreement", 1.5),
        ("decisions.jsonl", "revision", "1"),
    ],
)
def test_a_value_that_would_stop_the_page_is_told_when_it_is_read(review_dir, name, key, value):
    decide(review_dir, decision("a.jpg", 1))
    *before, last = (review_dir / name).read_text().splitlines()
    content = json.loads("".join([*before, last]) if name == "review.json" else last)
    assert key in content
    content[key] = value
    lines = [] if name == "review.json" else before
    (review_dir / name).write_text("\n".join([*lines, json.dumps(content)]) + "\n")

    with pytest.raises(ValueError, match=rf"{name}.*{key}"):
        read_review(review_dir)


@pytest.mark.parametrize(
    ("key", "value"), [("score", float("nan")), ("score", "0.5"), ("category", None)]
)
def test_an_instances_value_is_told_when_it_is_read(review_dir, key, value):
    line = json.loads(decision("a.jpg", 1, categories=["dress"]))
    line["instances"][0][key] = value
    decide(review_dir, json.dumps(line))

    with pytest.raises(ValueError, match=rf"decisions.jsonl, a.jpg: not a photo's .*{key}"):
        read_review(review_dir)


def test_another_folder_is_told(tmp_path):
    with pytest.raises(ValueError, match="expected --review_dir of python -m tfseg.predict"):
        read_review(tmp_path)
