from pathlib import Path

import pytest

from data_prep.prepared import PreparedDataset


def build(*overrides, category_names=("bag", "belt"), fingerprint="abc"):
    from tfseg.configs import experiment

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

    from tfseg.configs import experiment

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
    from tfseg.training import train_loop

    with pytest.raises(ValueError, match=message):
        train_loop.train(build(**changes), model_dir)


def test_train_refuses_the_model_dir_of_another_model(model_dir):
    from tfseg.training import train_loop

    with pytest.raises(ValueError, match="its model differs from the config's"):
        train_loop.train(build("task.model.input_size=[64,64,3]"), model_dir)


def test_a_damaged_checkpoint_is_named(tmp_path):
    from tfseg.checkpoint import trained_model

    (tmp_path / "ckpt-1.index").write_bytes(b"not an index")

    with pytest.raises(ValueError, match="ckpt-1: a damaged checkpoint"):
        trained_model.check_checkpoint_classes(str(tmp_path / "ckpt-1"), 4)


def test_load_trained_without_a_folder_or_params_or_checkpoint(tmp_path):
    from tfseg.checkpoint import trained_model
    from tfseg.configs import experiment

    model_dir = str(tmp_path / "model")
    with pytest.raises(ValueError, match="model: no such folder; train first"):
        trained_model.load_trained(model_dir)
    Path(model_dir).mkdir()
    with pytest.raises(ValueError, match=r"model: no params\.yaml inside"):
        trained_model.load_trained(model_dir)
    experiment.save_params(build(), model_dir)
    with pytest.raises(ValueError, match="model: holds no checkpoint yet"):
        trained_model.load_trained(model_dir)
    with pytest.raises(ValueError, match="ckpt-7: no such checkpoint"):
        trained_model.load_trained(model_dir, f"{model_dir}/ckpt-7")


def test_a_checkpoint_of_other_categories_is_refused(tmp_path):
    import tensorflow as tf

    from tfseg.checkpoint import trained_model

    bias = tf.Variable(tf.zeros([14]))
    path = str(tmp_path / "ckpt-1")
    tf.raw_ops.SaveV2(
        prefix=path,
        tensor_names=["detection_head/0/_classifier/bias/.ATTRIBUTES/VARIABLE_VALUE"],
        shape_and_slices=[""],
        tensors=[bias.value()],
    )

    trained_model.check_checkpoint_classes(path, 14)
    with pytest.raises(ValueError, match="ckpt-1: holds 13 categories, expected 3"):
        trained_model.check_checkpoint_classes(path, 4)


def test_a_longer_training_may_go_on_in_the_same_model_dir(model_dir):
    from tfseg.checkpoint import trained_model

    trained_model.check_resumable(build("trainer.train_steps=9"), model_dir)
