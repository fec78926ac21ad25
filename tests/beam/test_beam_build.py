"""The build on Beam against the local one; `make test-beam` runs it in Beam's own environment."""

import json

import pytest

pytest.importorskip("apache_beam", reason="run by `make test-beam`, in an environment of its own")

import tensorflow as tf

from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.build.splits import SplitPlan
from data_prep.datasets.combined.combined_dataset_builder import Builder as CombinedBuilder
from data_prep.datasets.modanet.modanet_dataset_builder import Builder
from data_prep.prepared import open_prepared
from tests.data_prep.raw_fgvc6 import RawFgvc6, box_mask
from tests.data_prep.raw_modanet import many_photos

ONE_THREAD = ("runner=DirectRunner",)
TWO_PROCESSES = (
    "runner=DirectRunner",
    "direct_num_workers=2",
    "direct_running_mode=multi_processing",
)


def build(builder_class, raw_dir, data_dir, **options):
    options = PrepOptions(split_plan=SplitPlan(val_percent=40), num_workers=1, **options)
    build_dataset(builder_class, raw_dir, data_dir, options)
    return open_prepared(data_dir)


def records(prepared) -> dict[str, list[bytes]]:
    return {
        split: sorted(tf.data.TFRecordDataset(prepared.record_paths(split)).as_numpy_iterator())
        for split in prepared.splits
    }


def report_of(prepared):
    return json.loads((prepared.path / "prep_report.json").read_text())


@pytest.mark.parametrize("beam_options", [ONE_THREAD, TWO_PROCESSES], ids=["thread", "processes"])
def test_beam_makes_the_same_examples_truth_and_report(tmp_path, beam_options):
    raw = many_photos(40)
    del raw.photos[7]
    raw.photos[8] = b"damaged"
    raw.add_challenge_photo(101)
    raw_dir = raw.write(tmp_path / "raw")
    local = build(Builder, raw_dir, tmp_path / "local")
    on_beam = build(Builder, raw_dir, tmp_path / "beam", beam_options=beam_options, num_shards=3)
    assert records(on_beam) == records(local)
    for split in ("train", "val", "challenge"):
        truth = on_beam.ground_truth_path(split).read_bytes()
        assert truth == local.ground_truth_path(split).read_bytes()
    expected, got = report_of(local), report_of(on_beam)
    assert got["options"].pop("num_shards") == 3
    del expected["options"]["num_shards"]
    assert got == expected
    assert len(on_beam.record_paths("train")) == 3
    assert [path.name for path in on_beam.path.iterdir() if path.is_dir()] == []


def test_beam_builds_several_sources_and_a_split_without_a_usable_photo(tmp_path):
    raw = many_photos(12)
    raw.add_challenge_photo(101)
    del raw.photos[101]
    raw_dir = raw.write(tmp_path / "raw")
    fgvc6 = RawFgvc6()
    for number in range(1, 9):
        fgvc6.add_mask(fgvc6.add_photo(number), box_mask(30, 40, 1, 1, 9, number + 3), "0_20")
    fgvc6.write(raw_dir / "fgvc6")
    local = build(CombinedBuilder, raw_dir, tmp_path / "local")
    on_beam = build(CombinedBuilder, raw_dir, tmp_path / "beam", beam_options=ONE_THREAD)
    assert on_beam.splits == ("train", "val")
    assert records(on_beam) == records(local)
    assert report_of(on_beam) == report_of(local)


def test_too_many_bad_photos_leave_no_data_set(tmp_path):
    raw = many_photos(20)
    for photo_id in range(1, 12):
        raw.photos[photo_id] = b"damaged"
    raw_dir = raw.write(tmp_path / "raw")
    with pytest.raises(ValueError, match="photo unreadable"):
        build(Builder, raw_dir, tmp_path / "beam", beam_options=ONE_THREAD)
    with pytest.raises(ValueError, match="no prepared data set|incomplete"):
        open_prepared(tmp_path / "beam")
