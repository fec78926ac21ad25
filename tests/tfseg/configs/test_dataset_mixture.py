import dataclasses

import numpy as np
import pytest

from data_prep.prepared import PreparedDataset
from tfseg.configs import dataset_mixture


def data_set(path, names=("bag", "dress"), most=3, fingerprint="a", lengths=(4,)):
    return PreparedDataset(
        path, "product", names, ("train",), most, fingerprint, {"train": lengths}
    )


def build(first, *mixed):
    from tfseg.configs import experiment

    return experiment.build_params("maskrcnn_resnetfpn_fashion", [], [], first, mixed=mixed)


def test_mixed_shards_counts_and_weights_are_added(tmp_path):
    first = data_set(tmp_path / "a", lengths=(4, 5))
    second = data_set(tmp_path / "b", most=9, fingerprint="b", lengths=(7,))

    params = build(first, dataset_mixture.Mixed(second, 0.5))

    data = params.task.train_data
    assert [path.rsplit("/", 2)[1] for path in data.input_path.split(",")] == ["a", "a", "b"]
    assert data.path_weights == [1.0, 1.0, 0.5]
    assert data.num_examples == 16
    assert data.parser.max_num_instances == 9


def test_pseudo_labels_count_for_less_in_the_loss(tmp_path):
    first = data_set(tmp_path / "a", lengths=(4, 5))
    pseudo = dataclasses.replace(
        data_set(tmp_path / "b", fingerprint="b", lengths=(7,)), max_num_ignored=3
    )

    plain = build(first, dataset_mixture.Mixed(pseudo, 2.0)).task
    weighted = build(first, dataset_mixture.Mixed(pseudo, 2.0, loss_weight=0.25)).task

    assert weighted.train_data.path_loss_weights == [1.0, 1.0, 0.25]
    assert weighted.train_data.max_num_ignored == 3
    assert plain.train_data.path_loss_weights == []
    assert weighted.data_fingerprint != plain.data_fingerprint


def test_another_weight_is_another_training(tmp_path):
    first, second = data_set(tmp_path / "a"), data_set(tmp_path / "b", fingerprint="b")

    prints = {
        build(first, *mixed).task.data_fingerprint
        for mixed in (
            [],
            [dataset_mixture.Mixed(second, 1.0)],
            [dataset_mixture.Mixed(second, 2.0)],
        )
    }

    assert len(prints) == 3


def test_other_categories_are_refused(tmp_path):
    first, second = data_set(tmp_path / "a"), data_set(tmp_path / "b", names=("bag", "shoe"))

    with pytest.raises(ValueError, match="b: has the categories bag, shoe; expected .* bag, dress"):
        build(first, dataset_mixture.Mixed(second, 1.0))


def test_the_first_photos_only_and_further_sets_are_refused(tmp_path):
    from tfseg.configs import experiment

    first, second = data_set(tmp_path / "a"), data_set(tmp_path / "b", fingerprint="b")
    with pytest.raises(ValueError, match="num_train_examples=2: would leave out the further"):
        experiment.build_params(
            "maskrcnn_resnetfpn_fashion", [], ["task.num_train_examples=2"], first,
            mixed=[dataset_mixture.Mixed(second, 1.0)],
        )  # fmt: skip


@pytest.mark.parametrize("spec", ["set:0", "set:-1", "set:much", "set:nan"])
def test_a_bad_weight_is_refused(spec):
    with pytest.raises(ValueError, match=f"mix_data_dirs={spec}: got weight"):
        dataset_mixture.open_mixed([spec])


def test_weights_change_how_often_photos_come(tmp_path):
    """Shards of 4 photos each; those of the second come half as often."""
    import tensorflow as tf

    from tfseg.configs import maskrcnn
    from tfseg.training import task

    paths = [str(tmp_path / name) for name in ("a", "b")]
    for path in paths:
        with tf.io.TFRecordWriter(path) as writer:
            for _ in range(4):
                writer.write(b"photo")
    config = maskrcnn.FashionMaskRCNN(category_names=["bag"])
    config.train_data.input_path = ",".join(paths)
    config.train_data.path_weights = [1.0, 0.5]

    order = task.FashionMaskRCNNTask(config).train_input().order

    assert order.epoch_length == 6
    seen = np.bincount([int(order.example_at(tf.constant(i, tf.int64))) for i in range(60)])
    assert seen[:4].tolist() == [10] * 4
    assert seen[4:].sum() == 20
