import dataclasses

import numpy as np
import pytest

from tests.tfseg.structures.test_mask_geometry import OUTFIT
from tfseg.prediction.journal import PredictionJournal, remove_earlier_run
from tfseg.prediction.photo_files import PhotoFile

SETTINGS = {"model": "m at step 7", "nms_iou": None, "score_thresholds": {"bag": 0.5}}


@pytest.fixture
def photos(tmp_path):
    for index in range(4):
        (tmp_path / f"{index}.jpg").write_bytes(bytes(10 + index))
    return [PhotoFile(tmp_path / f"{index}.jpg", f"{index}.jpg") for index in range(4)]


def begin(tmp_path, photos):
    with PredictionJournal(tmp_path / "out", SETTINGS) as journal:
        journal.add(photos[0], 10, OUTFIT)
        journal.add_error(photos[1], "is damaged")
        journal.add(photos[2], 12, OUTFIT.select(np.zeros(3, bool)))
    return tmp_path / "out" / "photos.jsonl"


def test_a_second_run_goes_on_and_tries_failed_ones_again(tmp_path, photos):
    begin(tmp_path, photos)

    with PredictionJournal(tmp_path / "out", SETTINGS) as journal:
        assert [photo.name for photo in journal.missing(photos)] == ["1.jpg", "3.jpg"]
        assert journal.errors == {"1.jpg": "is damaged"}
        journal.add(photos[1], 11, OUTFIT)
        assert journal.errors == {}


def test_detections_are_read_back_as_they_were(tmp_path, photos):
    begin(tmp_path, photos)

    with PredictionJournal(tmp_path / "out", SETTINGS) as journal:
        (first, full), (second, empty) = journal.read(photos)

    assert (first.name, second.name) == ("0.jpg", "2.jpg")
    np.testing.assert_array_equal(full.boxes_yxyx, OUTFIT.boxes_yxyx)
    np.testing.assert_array_equal(full.decode_masks(), OUTFIT.decode_masks())
    assert full.category_names == OUTFIT.category_names
    assert full.scores.tolist() == OUTFIT.scores.tolist()
    assert len(empty) == 0 and empty.image_size_hw == (8, 10)


def test_half_a_line_of_a_killed_run_is_cut_off(tmp_path, photos):
    path = begin(tmp_path, photos)
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines(keepends=True)[1][:-20])

    with PredictionJournal(tmp_path / "out", SETTINGS) as journal:
        journal.add(photos[3], 13, OUTFIT)

    assert path.read_bytes()[: len(whole)] == whole
    with PredictionJournal(tmp_path / "out", SETTINGS) as journal:
        assert [photo.name for photo in journal.missing(photos)] == ["1.jpg"]


def test_a_photo_of_another_size_is_done_again(tmp_path, photos):
    begin(tmp_path, photos)
    photos[0].path.write_bytes(bytes(99))

    with PredictionJournal(tmp_path / "out", SETTINGS) as journal:
        assert [photo.name for photo in journal.missing(photos[:1])] == ["0.jpg"]


@pytest.mark.parametrize("reopened", [False, True])
def test_a_photo_that_failed_after_it_was_done_is_tried_again(tmp_path, photos, reopened):
    begin(tmp_path, photos)

    with PredictionJournal(tmp_path / "out", SETTINGS) as journal:
        journal.add_error(photos[0], "is damaged")
        missing = journal.missing(photos[:1])  # restored: of the size it had when it was done
    if reopened:
        with PredictionJournal(tmp_path / "out", SETTINGS) as journal:
            missing = journal.missing(photos[:1])

    assert missing == photos[:1]


def test_other_settings_are_refused_and_named(tmp_path, photos):
    begin(tmp_path, photos)

    with pytest.raises(ValueError, match="nms_iou was None, is 0.5.*--overwrite"):
        PredictionJournal(tmp_path / "out", {**SETTINGS, "nms_iou": 0.5})
    with PredictionJournal(
        tmp_path / "out", {**SETTINGS, "nms_iou": 0.5}, overwrite=True
    ) as journal:
        assert len(journal.missing(photos)) == 4


def test_an_earlier_run_is_removed_with_its_pictures_and_nothing_else(tmp_path, photos):
    begin(tmp_path, photos)
    out = tmp_path / "out"
    for name in ("overlays/0.jpg", "cutouts/0_bag.png", "mine/0.jpg"):
        (out / name).parent.mkdir()
        (out / name).write_bytes(b"picture")

    remove_earlier_run(out)

    assert sorted(path.name for path in out.iterdir()) == ["mine", "photos.jsonl"]
    with PredictionJournal(out, {}) as journal:
        assert len(journal.missing(photos)) == 4


def test_pictures_beside_a_file_that_is_no_journal_stay(tmp_path):
    (tmp_path / "photos.jsonl").write_text("mine\n")
    (tmp_path / "cutouts").mkdir()

    remove_earlier_run(tmp_path)

    assert (tmp_path / "cutouts").is_dir()


def test_another_file_of_that_name_is_refused(tmp_path):
    (tmp_path / "photos.jsonl").write_text("mine\n")

    with pytest.raises(ValueError, match="photos.jsonl: not a journal"):
        PredictionJournal(tmp_path, SETTINGS)


def test_a_stopped_and_resumed_run_reads_the_same_attributes_as_one_run(tmp_path, photos):
    told = dataclasses.replace(
        OUTFIT,
        attributes=((("red", 0.93), ("wide belt", 0.6)), (), (("red", 0.5),)),
        attribute_scores=np.array([[237, 153, 0], [0, 51, 255], [128, 1, 2]], np.float32) / 255,
    )
    for folder, stops in (("one", [photos]), ("two", [photos[:1], photos[1:]])):
        for part in stops:
            with PredictionJournal(tmp_path / folder, SETTINGS) as journal:
                for photo in part:
                    journal.add(photo, photo.path.stat().st_size, told)

    read = []
    for folder in ("one", "two"):
        with PredictionJournal(tmp_path / folder, SETTINGS) as journal:
            read.append([detections for _, detections in journal.read(photos)])

    assert [len(run) for run in read] == [4, 4]
    for one, other in zip(*read, strict=True):
        assert one.attributes == other.attributes == told.attributes
        np.testing.assert_array_equal(one.attribute_scores, other.attribute_scores)
        np.testing.assert_allclose(one.attribute_scores, told.attribute_scores, atol=5e-5)
