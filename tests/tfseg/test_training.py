from pathlib import Path

import pytest

from data_prep.prepared import PreparedDataset


def build(*overrides, category_names=("bag", "belt"), fingerprint="abc"):
    from tfseg import experiment

    prepared = PreparedDataset(
        path=Path("prepared"),
        name="modanet",
        category_names=category_names,
        splits=("train",),
        max_num_instances=1,
        fingerprint=fingerprint,
        _shard_lengths={"train": (4,)},
    )
    return experiment.build_params("maskrcnn_resnetfpn_fashion", [], list(overrides), prepared)


@pytest.fixture
def model_dir(tmp_path):
    """Looks trained on bag and belt, from the data set of fingerprint abc."""
    import tensorflow as tf

    from tfseg import experiment

    experiment.save_params(build(), str(tmp_path))
    step = tf.Variable(1, dtype=tf.int64)
    tf.train.Checkpoint(global_step=step).save(str(tmp_path / "ckpt"))
    return str(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"category_names": ("bag", "hat")}, r"another data set \(category_names differs\)"),
        ({"fingerprint": "xyz"}, r"another data set \(data_fingerprint differs\)"),
    ],
)
def test_train_refuses_the_model_dir_of_another_data_set(model_dir, changes, message):
    from tfseg import training

    with pytest.raises(ValueError, match=message):
        training.train(build(**changes), model_dir)


def test_train_refuses_the_model_dir_of_another_model(model_dir):
    from tfseg import training

    with pytest.raises(ValueError, match="its model differs from the config's"):
        training.train(build("task.model.input_size=[64,64,3]"), model_dir)


def test_a_longer_training_may_go_on_in_the_same_model_dir(model_dir):
    from tfseg import experiment

    experiment.check_resumable(build("trainer.train_steps=9"), model_dir)
