import numpy as np
import pytest

from data_prep.browse.survey import BinnedCounts, take_survey
from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.datasets.modanet.modanet_dataset_builder import Builder
from data_prep.prepared import open_prepared
from tests.data_prep.raw_modanet import box_polygon, many_photos


def build(raw_dir, data_dir, **options):
    options = PrepOptions(**{"max_bad_percent": 30, "num_workers": 1, **options})
    build_dataset(Builder, raw_dir, data_dir, options)
    return open_prepared(data_dir)


@pytest.fixture(scope="module")
def prepared(raw_dir, tmp_path_factory):
    return build(raw_dir, tmp_path_factory.mktemp("prepared"))


def survey(prepared, per_category=2, wanted=()):
    seen = []
    result = take_survey(prepared, per_category, wanted, lambda: seen.append(1))
    assert len(seen) == 18
    return result


def test_survey_counts_splits_and_categories(prepared):
    found = survey(prepared)
    train, val, challenge = (found.splits[name] for name in ("train", "val", "challenge"))
    assert (train.num_images, train.num_instances) == (15, 17)
    # bag, 2 footwear in one photo, pants, 13 skirts
    assert train.instances.tolist() == [1, 0, 0, 2, 0, 0, 0, 1, 0, 0, 13, 0, 0]
    assert train.images.tolist() == [1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 13, 0, 0]
    assert val.instances.tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1]
    assert (challenge.num_images, challenge.num_instances) == (1, 0)
    assert found.instances_per_image == {3: 1, 1: 15, 2: 1, 0: 1}
    assert found.sizes == {(40, 30): 16, (30, 40): 1, (20, 20): 1}


def test_survey_bins_sizes_and_shapes(prepared):
    found = survey(prepared)
    # The bag: 20 x 10 of 40 x 30 pixels, a sixth of the photo.
    assert found.shares.table[0].tolist() == [0, 0, 0, 0, 0, 0, 1, 0]
    assert found.aspects.table[0].tolist() == [0, 0, 0, 0, 1, 0, 0]
    # The pants fill the photo; the skirts are 10 x 20, half as wide as tall.
    assert found.shares.table[7].tolist() == [0, 0, 0, 0, 0, 0, 0, 1]
    assert found.aspects.table[10].tolist() == [0, 0, 13, 0, 0, 0, 0]
    assert found.areas.table[10].tolist() == [13, 0, 0]
    assert found.areas.table[7].tolist() == [0, 1, 0]


def test_binned_counts_put_a_value_on_an_end_below_it():
    binned = BinnedCounts(2, (1.0, 10.0))
    binned.add(np.array([1, 1, 2, 2]), np.array([1.0, 1.1, 10.0, 10.1]))
    assert binned.table.tolist() == [[1, 1, 0], [0, 1, 1]]


def test_survey_chooses_samples_and_finds_files(prepared):
    found = survey(prepared, 4, ["0000102.jpg", "no such.jpg"])
    assert [len(found.samples[i]) for i in (1, 2, 4, 11)] == [1, 0, 1, 4]
    assert {sample.facts.image_id for sample in found.samples[6]} == {"102"}
    assert [sample.facts.image_id for sample in found.samples[0]] == ["301"]
    assert list(found.found) == ["0000102.jpg"]
    assert found.found["0000102.jpg"].split == "val"


def test_survey_chooses_the_same_whatever_the_order_of_the_shards(raw_dir, prepared, tmp_path):
    other = build(raw_dir, tmp_path, num_shards=3)

    def chosen(prepared):
        samples = survey(prepared, 3).samples
        return {i: [sample.facts.image_id for sample in samples[i]] for i in samples}

    assert chosen(other) == chosen(prepared)
    assert len(chosen(prepared)[11]) == 3


def test_survey_adds_up_over_many_batches(tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.browse.survey._RECORDS_PER_FLUSH", 4)
    raw = many_photos(9)
    raw.annotate(1, 1, 2, [box_polygon(0, 0, 40, 5)])
    prepared = build(raw.write(tmp_path / "raw"), tmp_path / "prepared")
    found = take_survey(prepared, 1, (), lambda: None)
    assert found.areas.table.sum(axis=1).tolist() == [0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]
