import pytest

from data_prep.build.examples import PreparedExample
from data_prep.build.prep_report import SourceReport, Tally, fingerprint, table
from data_prep.readers.raw_dataset import Conversion, Note, RawSource


def raw_source(**counts):
    return RawSource("train json", converter=None, **counts)


def kept(num_annotations, **conversion):
    return PreparedExample(
        Conversion("1.jpg", **conversion), image_id=1, annotation_jsons=("{}",) * num_annotations
    )


def test_tally_keeps_the_ten_smallest_ids():
    tally = Tally()
    tally.add(Note("photo_missing", i, f"{i}.jpg") for i in reversed(range(12)))
    tally.add([Note("photo_unreadable", 99, "99.jpg")])
    assert tally.as_json() == {
        "photo_missing": {
            "count": 12,
            "example_ids": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
            "example_files": [f"{i}.jpg" for i in range(10)],
        },
        "photo_unreadable": {"count": 1, "example_ids": [99], "example_files": ["99.jpg"]},
    }


def test_commonest_breaks_ties_by_name():
    tally = Tally()
    tally.add([Note(reason, i, "") for i, reason in enumerate("bacc")])
    assert tally.commonest(2) == [("c", 2), ("a", 1)]


def test_source_report_adds_up():
    source = raw_source(num_photos=3, num_annotations=6)
    source.left_out = [Note("no_annotations", 7, "7.jpg")]
    report = SourceReport.of(source)
    report.add(kept(3, dropped=[Note("empty_mask", 5, "1.jpg")]), image_id=1)
    gone = [Note("photo_left_out", i, "2.jpg") for i in (6, 7)]
    left_out = Conversion("2.jpg", left_out_reason="photo_unreadable", dropped=gone)
    report.add(PreparedExample(left_out), image_id=2)
    report.check_sums()
    assert report.as_json()["annotations"] == {
        "in_raw": 6,
        "kept": 3,
        "dropped": {
            "photo_left_out": {"count": 2, "example_ids": [6, 7], "example_files": ["2.jpg"] * 2},
            "empty_mask": {"count": 1, "example_ids": [5], "example_files": ["1.jpg"]},
        },
    }


def test_check_sums_finds_an_annotation_nobody_counted():
    report = SourceReport.of(raw_source(num_photos=1, num_annotations=2))
    report.add(kept(1), image_id=1)
    with pytest.raises(AssertionError):
        report.check_sums()


def test_fingerprint_depends_on_contents_and_names_only():
    splits = {"train": {"sha256": "aa"}, "val": {"sha256": "bb"}}
    same = {"val": {"sha256": "bb", "num_examples": 3}, "train": {"sha256": "aa"}}
    other = {"train": {"sha256": "bb"}, "val": {"sha256": "aa"}}
    assert fingerprint(("bag",), splits) == fingerprint(("bag",), same)
    assert fingerprint(("bag",), splits) != fingerprint(("bag",), other)
    assert fingerprint(("bag",), splits) != fingerprint(("belt",), splits)


def test_table_shows_reasons_with_ids():
    source = SourceReport.of(raw_source(num_photos=1234, num_annotations=0))
    source.left_out.add(Note("photo_missing", i, f"{i}.jpg") for i in (5, 6, 7, 8))
    text = table({"sources": [source.as_json()], "splits": {}})
    assert text.splitlines()[:4] == [
        "train json",
        "  photos in raw files                            1,234",
        "    kept                                             0",
        "    left out: photo missing                          4   e.g. 5, 6, 7, ...",
    ]
