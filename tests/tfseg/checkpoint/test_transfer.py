import functools
import http.server
import tarfile
import threading

import numpy as np
import pytest

from tests.tfseg import small_experiment

pytestmark = pytest.mark.slow


def make_model(names, *overrides):
    from tfseg.modeling import factory

    prepared = small_experiment.open_written(small_experiment.Path("prepared"), names=names)
    params = small_experiment.build(prepared, "trainer.train_steps=1", *overrides)
    return params, factory.build_model(params.task)


@pytest.fixture(scope="module")
def trained_dir(tmp_path_factory):
    """A model_dir of shirt, sweater and bag whose output rows can be told apart."""
    import tensorflow as tf

    from tfseg.checkpoint import recovery
    from tfseg.configs import experiment

    folder = tmp_path_factory.mktemp("trained")
    params, model = make_model(("shirt", "sweater", "bag"))
    head = model.detection_head[0]
    head._classifier.bias.assign([0.0, 1.0, 2.0, 3.0])
    head._box_regressor.bias.assign(np.repeat([0.0, 1.0, 2.0, 3.0], 4))
    model.mask_head._mask_regressor.bias.assign([0.0, 1.0, 2.0, 3.0])
    step = tf.Variable(9, dtype=tf.int64)
    tf.train.Checkpoint(model=model, global_step=step).write(str(folder / "ckpt-9"))
    recovery.write_state(folder, [9])
    experiment.save_params(params, str(folder))
    return folder, model


def test_rows_of_shared_and_mapped_categories_are_taken_over(trained_dir):
    from tfseg.checkpoint.transfer import initialise

    folder, source = trained_dir
    names = ("bag", "top", "boots")
    _, model = make_model(names)
    model.detection_head[0]._classifier.bias.assign([9.0] * 4)

    transfer = initialise(model, names, str(folder), {"shirt": "top", "sweater": "top"})

    head = model.detection_head[0]
    assert head._classifier.bias.numpy().tolist() == [0.0, 3.0, 1.5, 9.0]
    assert head._box_regressor.bias.numpy()[:12].tolist() == [0] * 4 + [3] * 4 + [1.5] * 4
    assert model.mask_head._mask_regressor.bias.numpy()[:3].tolist() == [0.0, 3.0, 1.5]
    for ours, theirs in zip(model.backbone.weights, source.backbone.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(head._fcs[0].kernel, source.detection_head[0]._fcs[0].kernel)
    assert transfer.mapped == ["bag <- bag", "top <- shirt + sweater"]
    assert transfer.new == ["boots"]
    assert "started from" in str(transfer) and "(step 9)" in str(transfer)


def test_a_box_layer_of_all_classes_is_taken_over_as_it_is():
    """Its width is 4, as many as 3 categories have classes."""
    from tfseg.checkpoint import transfer

    agnostic = "task.model.detection_head.class_agnostic_bbox_pred=true"
    _, ours = make_model(("bag", "boots", "top"), agnostic)
    _, theirs = make_model(("top", "belt", "bag"), agnostic)
    theirs.detection_head[0]._box_regressor.bias.assign([1.0, 2.0, 3.0, 4.0])
    rows = transfer.category_rows(("bag", "boots", "top"), ("top", "belt", "bag"), {})

    values = transfer._values(ours.detection_head[0], theirs.detection_head[0], rows)

    [bias] = [value for weight, value in values if "detection-boxes/bias" in weight.name]
    assert bias.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_a_region_head_of_other_anchors_starts_anew_and_loudly(trained_dir):
    from tfseg.checkpoint.transfer import initialise

    _, model = make_model(("bag",), "task.model.anchor.num_scales=2")
    transfer = initialise(model, ("bag",), str(trained_dir[0]), {})

    [told] = [item for item in transfer.new if item.startswith("rpn_head")]
    assert "ALL OF IT, at random: it has 6 anchors at a place, the start's 3" in told


def test_a_module_of_another_architecture_starts_anew(trained_dir):
    from tfseg.checkpoint.transfer import initialise

    names = ("bag",)
    _, model = make_model(names, "task.model.detection_head.fc_dims=48")
    transfer = initialise(model, names, str(trained_dir[0]), {})

    assert "detection_head (another architecture)" in transfer.new
    assert any(item.startswith("backbone (") for item in transfer.loaded)


FREEZES = {
    "none": (),
    "modules": ("task.freeze=[backbone,decoder]",),
    "batch norm": ("task.freeze_batch_norm=true",),
}


@pytest.fixture(scope="module")
def frozen_dirs(tmp_path_factory):
    """model_dirs that were trained with each freeze, and the weights of each by path."""
    import tensorflow as tf

    from tfseg.checkpoint import recovery
    from tfseg.checkpoint.variables import variables_by_path
    from tfseg.configs import experiment
    from tfseg.modeling import factory

    random = np.random.default_rng(3)
    dirs = {}
    for freeze, overrides in FREEZES.items():
        folder = tmp_path_factory.mktemp("frozen")
        params, model = make_model(("bag",), *overrides)
        truth = {}
        for name, module in factory.modules_of(model).items():
            found = variables_by_path(module)
            assert {id(one) for one in found.values()} == {id(one) for one in module.variables}
            for path, variable in found.items():
                variable.assign(random.normal(size=variable.shape))
                truth[name, path] = variable.numpy()
        tf.train.Checkpoint(model=model, global_step=tf.Variable(1, dtype=tf.int64)).write(
            str(folder / "ckpt-1")
        )
        recovery.write_state(folder, [1])
        experiment.save_params(params, str(folder))
        dirs[freeze] = folder, truth
    return dirs


@pytest.mark.parametrize("after", FREEZES)
def test_every_weight_is_taken_over_whatever_was_and_is_frozen(frozen_dirs, after):
    from tfseg.checkpoint.transfer import initialise
    from tfseg.checkpoint.variables import variables_by_path
    from tfseg.configs import maskrcnn
    from tfseg.modeling import factory

    _, model = make_model(("bag",), *FREEZES[after])
    for before, (folder, truth) in frozen_dirs.items():
        transfer = initialise(model, ("bag",), str(folder), {})

        assert [item.split()[0] for item in transfer.loaded] == list(maskrcnn.MODULES[:-1]), before
        assert transfer.new == []
        for name, module in factory.modules_of(model).items():
            for path, variable in variables_by_path(module).items():
                np.testing.assert_array_equal(variable, truth[name, path], f"{before} {path}")


def test_a_backbone_of_the_same_type_that_does_not_fit_is_refused(trained_dir):
    from tfseg.checkpoint.transfer import initialise

    _, model = make_model(("bag",), "task.model.backbone.resnet.model_id=34")

    with pytest.raises(ValueError, match=r"ckpt-9: its backbone is a ResNet too.*at random"):
        initialise(model, ("bag",), str(trained_dir[0]), {})


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A .tar.gz as Model Garden publishes them: backbone and decoder by these names."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("published")
    _, model = make_model(("bag",))
    inner = folder / "resnet-18"
    inner.mkdir()
    checkpoint = tf.train.Checkpoint(backbone=model.backbone, decoder=model.decoder)
    checkpoint.write(str(inner / "ckpt-28080"))
    with tarfile.open(folder / "resnet.tar.gz", "w:gz") as archive:
        archive.add(inner, "resnet-18")
    return folder, model


@pytest.fixture
def url(published):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(published[0]))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/resnet.tar.gz"
    server.shutdown()


def test_a_published_checkpoint_loads_by_path_archive_and_url(published, url):
    import tensorflow as tf

    from tfseg.checkpoint.transfer import initialise

    folder, source = published
    _, model = make_model(("bag", "belt"))
    for where in (folder / "resnet-18" / "ckpt-28080", folder / "resnet-18",
                  folder / "resnet.tar.gz", url):  # fmt: skip
        model.backbone.weights[0].assign(tf.zeros_like(model.backbone.weights[0]))
        transfer = initialise(model, ("bag", "belt"), str(where), {})

        assert [item.split()[0] for item in transfer.loaded] == ["backbone", "decoder"]
        assert transfer.new == ["rpn_head", "detection_head", "mask_head"]
        np.testing.assert_array_equal(
            model.backbone.weights[0], source.backbone.weights[0], err_msg=str(where)
        )


def test_a_published_pyramid_of_other_levels_is_left_out(published):
    from tfseg.checkpoint.transfer import initialise

    _, model = make_model(("bag",), "task.model.decoder.fpn.num_filters=24")
    before = model.decoder.get_weights()

    transfer = initialise(model, ("bag",), str(published[0] / "resnet-18"), {})

    assert transfer.new[0] == "decoder (another architecture)"
    for ours, earlier in zip(model.decoder.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, earlier)


def test_where_there_is_no_checkpoint_is_said(tmp_path):
    from tfseg.checkpoint.transfer import initialise

    with pytest.raises(ValueError, match=r"--init_from=.*nowhere: holds 0 checkpoints"):
        initialise(None, (), str(tmp_path / "nowhere"), {})
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:9/x\.tar\.gz: cannot be fetched"):
        initialise(None, (), "http://127.0.0.1:9/x.tar.gz", {})


def test_an_archive_that_is_cut_short_is_named(tmp_path):
    from tfseg.checkpoint.transfer import find_published

    (tmp_path / "ckpt.index").write_bytes(np.random.default_rng(0).bytes(20_000))
    with tarfile.open(tmp_path / "whole.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "ckpt.index", arcname="ckpt.index")
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes((tmp_path / "whole.tar.gz").read_bytes()[:9000])

    with pytest.raises(ValueError, match=r"cut\.tar\.gz: cannot be unpacked .*download it again"):
        find_published(str(cut), tmp_path / "scratch")


def test_a_frozen_backbone_keeps_its_weights_and_statistics(tmp_path):
    from tfseg.checkpoint import trained_model
    from tfseg.modeling import factory
    from tfseg.training import train_loop

    prepared = small_experiment.write_prepared(tmp_path / "prepared")
    freeze = ("task.freeze=[backbone]", "task.freeze_batch_norm=true")
    params = small_experiment.build(prepared, "trainer.train_steps=2", *freeze)
    train_loop.train(params, str(tmp_path / "model"))

    trained = trained_model.load_trained(str(tmp_path / "model")).model
    import tf_keras

    tf_keras.utils.set_random_seed(1)
    untrained = factory.build_model(params.task)
    for ours, before in zip(trained.backbone.weights, untrained.backbone.weights, strict=True):
        np.testing.assert_array_equal(ours, before)
    assert not np.allclose(
        trained.detection_head[0]._fcs[0].kernel, untrained.detection_head[0]._fcs[0].kernel
    )
