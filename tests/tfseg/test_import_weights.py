"""Weight files of PyTorch's names and layouts against PyTorch's own arithmetic."""

import pickle
import resource

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="CI installs it; nothing but this test needs it")

from tests.tfseg import torch_reference as reference  # noqa: E402

pytestmark = pytest.mark.slow

SIZE = 512  # the imported config's input


@pytest.fixture(scope="module", params=["detectron2", "torchvision"])
def imported(request, tmp_path_factory):
    """The source, its weights, and the model that load_trained makes of the import."""
    from tfseg.checkpoint import trained_model
    from tfseg.import_weights import import_weights

    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "detectron2":
        weights = reference.random_weights(reference.detectron2_shapes())
        path = folder / "model_final.pkl"
        path.write_bytes(pickle.dumps({"model": weights, "__author__": "Detectron2"}))
    else:
        weights = reference.random_weights(reference.torchvision_shapes())
        path = folder / "maskrcnn.pth"
        torch.save({name: torch.from_numpy(value) for name, value in weights.items()}, path)
    ignored = import_weights(str(path), str(folder / "model"))
    return request.param, weights, trained_model.load_trained(str(folder / "model")), ignored


def close(ours, theirs, relative=1e-4):
    """Within float32 error of the largest value."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    error = np.abs(ours - theirs).max() / np.abs(theirs).max()
    assert error < relative, error


def channels_last(tensor):
    return tensor.numpy().transpose(0, 2, 3, 1)


def test_imported_weights_compute_what_pytorch_does(imported):
    import tensorflow as tf
    from official.vision.ops import box_ops, preprocess_ops

    from tfseg.dataloaders import train_targets

    source, weights, trained, _ = imported
    model, torch_model = trained.model, reference.Reference(weights, source)
    rgb = np.random.default_rng(1).uniform(0, 255, (SIZE, SIZE, 3)).astype(np.float32)
    images = preprocess_ops.normalize_image(tf.constant(rgb / 255))[tf.newaxis]

    stages, their_stages = model.backbone(images), torch_model.backbone(rgb)
    for level in (2, 3, 4, 5):
        close(stages[str(level)], channels_last(their_stages[level]))
    levels, their_levels = model.decoder(stages), torch_model.pyramid(their_stages)
    for level in (2, 3, 4, 5, 6):
        close(levels[str(level)], channels_last(their_levels[level]))

    scores, deltas = model.rpn_head(levels)
    anchors = train_targets.anchor_boxes(trained.params.task.model)
    for level, (their_scores, their_boxes) in torch_model.proposals(their_levels).items():
        key = str(level)
        shape = (*their_scores.shape[:2], 3)
        close(np.reshape(scores[key], shape)[..., ::-1], their_scores)
        boxes = box_ops.decode_boxes(
            tf.reshape(deltas[key], [-1, 4]), tf.reshape(anchors[key], [-1, 4])
        )
        boxes = np.reshape(boxes, (*shape, 4))[:, :, ::-1][..., [1, 0, 3, 2]]
        # The one difference: torchvision rounds its anchors to whole pixels, we do not.
        close(boxes, their_boxes)


def test_imported_heads_compute_what_pytorch_does(imported):
    import tensorflow as tf

    source, weights, trained, _ = imported
    model, torch_model = trained.model, reference.Reference(weights, source)
    random = np.random.default_rng(2)
    boxes_in = random.standard_normal((3, 256, 7, 7)).astype(np.float32)
    masks_in = random.standard_normal((3, 256, 14, 14)).astype(np.float32)

    classes, boxes = model.detection_head[0](
        tf.constant(boxes_in.transpose(0, 2, 3, 1)[np.newaxis]), training=False
    )
    their_classes, their_boxes = torch_model.box_head(torch.from_numpy(boxes_in))
    boxes = np.reshape(boxes, (3, -1, 4))[..., [1, 0, 3, 2]]
    if source == "detectron2":  # background last, and no box for it
        their_classes = their_classes.roll(1, 1)
        boxes = boxes[:, 1:]
    close(classes[0], their_classes)
    close(boxes, their_boxes)

    wanted = [5, 1, 80]
    masks = model.mask_head(
        [tf.constant(masks_in.transpose(0, 2, 3, 1)[np.newaxis]), tf.constant([wanted])],
        training=False,
    )
    their_masks = torch_model.mask_head(torch.from_numpy(masks_in)).numpy()
    background = 0 if source == "detectron2" else 1
    expected = [their_masks[row, one - 1 + background] for row, one in enumerate(wanted)]
    close(masks[0], np.stack(expected))


def test_a_deeper_resnet_is_told_by_its_blocks():
    from tfseg.checkpoint.torch_maskrcnn import resnet_depth
    from tfseg.import_weights import imported_params

    deep = [
        f"res{s}.{b}.conv1.weight" for s, n in ((2, 3), (3, 4), (4, 23), (5, 3)) for b in range(n)
    ]
    assert resnet_depth(deep) == 101
    assert imported_params(["bag"], "detectron2", 101).task.model.backbone.resnet.model_id == 101
    with pytest.raises(
        ValueError, match=r"ResNet with \(3, 4, 22, 3\) blocks .*expected ResNet-50"
    ):
        resnet_depth([name for name in deep if not name.startswith("res4.22.")])


def test_the_weights_of_a_resnet_101_compute_what_pytorch_does(tmp_path, monkeypatch):
    import tensorflow as tf
    from official.vision.ops import preprocess_ops

    from tfseg.checkpoint import trained_model
    from tfseg.import_weights import import_weights

    monkeypatch.setitem(reference.BLOCKS, 4, 23)
    weights = reference.random_weights(reference.detectron2_shapes())
    (tmp_path / "model_final.pkl").write_bytes(
        pickle.dumps({"model": weights, "__author__": "Detectron2"})
    )
    import_weights(str(tmp_path / "model_final.pkl"), str(tmp_path / "model"))
    model = trained_model.load_trained(str(tmp_path / "model")).model
    rgb = np.random.default_rng(1).uniform(0, 255, (SIZE, SIZE, 3)).astype(np.float32)
    images = preprocess_ops.normalize_image(tf.constant(rgb / 255))[tf.newaxis]
    ours, theirs = model.backbone(images), reference.Reference(weights, "detectron2").backbone(rgb)
    for level in (4, 5):
        close(ours[str(level)], channels_last(theirs[level]))


def test_every_tensor_is_accounted_for(imported):
    source, weights, trained, ignored = imported

    anchors = [name for name in weights if "cell_anchors" in name]
    assert sorted(ignored) == sorted(anchors)
    assert len(trained.category_names) == (80 if source == "detectron2" else 90)
    assert trained.category_names[0] == "person"
    assert trained.category_names[-1] == "toothbrush"


def test_old_and_new_torchvision_names_mean_the_same():
    from tfseg.checkpoint.torch_maskrcnn import neutral_names

    new = {name: np.zeros(1) for name in reference.torchvision_shapes()}
    old = {reference.old_torchvision_name(name): value for name, value in new.items()}

    assert old.keys() != new.keys()
    assert sorted(neutral_names(old)[1]) == sorted(neutral_names(new)[1])


@pytest.mark.parametrize("new_format", [True, False])
def test_read_weights_reads_both_formats_of_pytorch(tmp_path, new_format):
    from tfseg.checkpoint.torch_files import read_weights

    whole = torch.arange(24, dtype=torch.float32).view(4, 6)
    content = {
        "a": whole,
        "view": whole[1:3, ::2],
        "half": torch.tensor([1.5, -2.0], dtype=torch.float16),
        "count": torch.tensor(7),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    path = tmp_path / "weights.pth"
    torch.save({"model": content, "epoch": 3}, path, _use_new_zipfile_serialization=new_format)

    read = read_weights(str(path))

    assert read.keys() == content.keys()
    for name, value in content.items():
        np.testing.assert_array_equal(read[name], value.detach().numpy())


@pytest.mark.parametrize("missing_bytes", [1, 100, 8000, 12_100])
def test_a_file_that_is_cut_short_gives_no_weights(tmp_path, missing_bytes):
    from tfseg.checkpoint.torch_files import read_weights

    path = tmp_path / "weights.pth"
    content = {"a": torch.ones(5000), "b": torch.ones(3000)}
    torch.save(content, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-missing_bytes])

    with pytest.raises(ValueError, match=r"weights\.pth: cannot be read .*cut short.*again"):
        read_weights(str(path))


def test_a_weight_that_reaches_beyond_its_storage_is_refused(tmp_path):
    from tfseg.checkpoint import torch_files

    storage = torch_files._Storage("float32", 6)
    storage.fill(bytes(24))

    assert torch_files._View(storage, 1, (2, 2), (3, 1)).array().shape == (2, 2)
    with pytest.raises(ValueError, match="passes the end of its storage"):
        torch_files._View(storage, 2, (2, 2), (3, 1)).array()


@pytest.mark.parametrize("name", ["numpy_evil.ndarray", "numpy.testing.ndarray", "numpy.scalar"])
def test_read_weights_imports_nothing_beside_numpys_own(tmp_path, monkeypatch, name):
    from tfseg.checkpoint.torch_files import read_weights

    (tmp_path / "numpy_evil.py").write_text(f"open({str(tmp_path / 'owned')!r}, 'w'); ndarray = 1")
    monkeypatch.syspath_prepend(tmp_path)
    module, _, attribute = name.rpartition(".")
    path = tmp_path / "evil.pkl"
    path.write_bytes(f"c{module}\n{attribute}\n.".encode())

    with pytest.raises(ValueError, match=rf"evil\.pkl: cannot be read.*it holds a {name}"):
        read_weights(str(path))
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"}r\xff\xff\xff\x7f.", "it remembers an object as number 2,147,483,647"),
        (b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\x00\x00.", "expected 281474976710655 bytes"),
    ],
)
def test_read_weights_sets_no_gigabytes_aside_for_a_few_bytes(tmp_path, contents, message):
    from tfseg.checkpoint.torch_files import read_weights

    (tmp_path / "w.pkl").write_bytes(contents)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=rf"w\.pkl: cannot be read.*{message}"):
        read_weights(str(tmp_path / "w.pkl"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 100_000  # KB


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_read_weights_reads_every_protocol(tmp_path, protocol):
    from tfseg.checkpoint.torch_files import read_weights

    weights = {"a": np.arange(6, dtype=np.float32).reshape(2, 3)}
    path = tmp_path / "weights.pkl"
    path.write_bytes(pickle.dumps({"model": weights}, protocol))
    read = read_weights(str(path))
    np.testing.assert_array_equal(read["a"], weights["a"])


def test_read_weights_runs_no_code_of_the_file(tmp_path):
    from tfseg.checkpoint.torch_files import read_weights

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({"model": {"a": Evil()}}))

    with pytest.raises(ValueError, match=r"evil\.pkl: cannot be read.*it holds a \w*io\.open"):
        read_weights(str(path))
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("roi_heads.box_head.fc2.bias"), r"fc2\.bias: missing from the file"),
        (lambda w: w.update({"roi_heads.point_head.fc1.weight": np.zeros(3)}), "point_head"),
        (
            lambda w: w.update({"backbone.fpn_lateral3.bias": np.zeros(128, np.float32)}),
            r"lateral3: got a weight of shape \(128,\), expected \(256,\)",
        ),
    ],
)
def test_a_file_of_another_architecture_is_refused(tmp_path, change, message):
    from tfseg.import_weights import import_weights

    weights = {n: np.zeros(s, np.float32) for n, s in reference.detectron2_shapes().items()}
    change(weights)
    path = tmp_path / "w.pkl"
    path.write_bytes(pickle.dumps({"model": weights}))

    with pytest.raises(ValueError, match=message):
        import_weights(str(path), str(tmp_path / "model"))


def test_the_folder_of_a_training_is_refused(tmp_path):
    from tfseg.import_weights import import_weights

    (tmp_path / "ckpt-500.index").touch()
    (tmp_path / "params.yaml").write_text("mine")

    with pytest.raises(ValueError, match="holds a training, whose params.yaml would be replaced"):
        import_weights("w.pkl", str(tmp_path))


def test_a_resnet_50_alone_becomes_a_backbone_to_start_from(tmp_path):
    from tfseg.checkpoint.transfer import initialise
    from tfseg.import_weights import import_weights, imported_params
    from tfseg.modeling import factory

    shapes = {
        name.removeprefix("backbone.body."): shape
        for name, shape in reference.torchvision_shapes().items()
        if name.startswith("backbone.body.")
    }
    weights = reference.random_weights({**shapes, "fc.weight": (1000, 2048), "fc.bias": (1000,)})
    path = tmp_path / "resnet50.pth"
    torch.save({name: torch.from_numpy(value) for name, value in weights.items()}, path)

    assert import_weights(str(path), str(tmp_path / "r50")) == ["fc.weight", "fc.bias"]

    model = factory.build_model(imported_params(["bag"], "torchvision").task)
    transfer = initialise(model, ["bag"], str(tmp_path / "r50"), {})
    assert transfer.loaded == ["backbone (265 weights)"]
    kernel = model.backbone.layers[1].kernel.numpy()
    np.testing.assert_array_equal(kernel, weights["conv1.weight"].transpose(2, 3, 1, 0))
