"""EfficientNet-Lite0 files of PyTorch's names and layout against PyTorch's own arithmetic."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="CI installs it; nothing but these tests needs it")
F = torch.nn.functional

from tests.tfseg.torch_reference import random_weights  # noqa: E402

pytestmark = pytest.mark.slow

# repeats, kernel, stride, expansion, filters: Tan and Le, EfficientNet, table 1
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
LEVELS = {2: 2, 4: 3, 10: 4, 15: 5}  # last block of a level -> the level


def blocks():
    """(inputs, filters, kernel, stride, expansion) of each block."""
    inputs = 32
    for repeats, kernel, stride, expansion, filters in STAGES:
        for number in range(repeats):
            yield inputs, filters, kernel, stride if number == 0 else 1, expansion
            inputs = filters


def shapes() -> dict[str, tuple[int, ...]]:
    """Every name and shape of a file."""
    found = {}

    def normed(convolution, norm, *shape):
        found[f"{convolution}.weight"] = shape
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{norm}.{part}"] = (shape[0],)

    normed("_conv_stem", "_bn0", 32, 3, 3, 3)
    for number, (inputs, filters, kernel, _, expansion) in enumerate(blocks()):
        name, inner = f"_blocks.{number}.", inputs * expansion
        if expansion > 1:
            normed(f"{name}_expand_conv", f"{name}_bn0", inner, inputs, 1, 1)
        normed(f"{name}_depthwise_conv", f"{name}_bn1", inner, 1, kernel, kernel)
        normed(f"{name}_project_conv", f"{name}_bn2", filters, inner, 1, 1)
    normed("_conv_head", "_bn1", 1280, 320, 1, 1)
    return found | {"_fc.weight": (1000, 1280), "_fc.bias": (1000,)}


def forward(weights, images: np.ndarray) -> dict[int, np.ndarray]:
    """The levels of normalized images, channels last."""
    tensors = {name: torch.from_numpy(value) for name, value in weights.items()}

    def normed(x, convolution, norm, stride=1, depthwise=False):
        kernel = tensors[f"{convolution}.weight"]
        # as TensorFlow pads: what is odd goes to the far edge
        padding = []
        for side in (x.shape[3], x.shape[2]):
            total = max((-(-side // stride) - 1) * stride + kernel.shape[-1] - side, 0)
            padding += [total // 2, total - total // 2]
        groups = x.shape[1] if depthwise else 1
        x = F.conv2d(F.pad(x, padding), kernel, stride=stride, groups=groups)
        parts = [tensors[f"{norm}.{part}"] for part in ("running_mean", "running_var")]
        scale = [tensors[f"{norm}.{part}"] for part in ("weight", "bias")]
        return F.batch_norm(x, *parts, *scale, eps=1e-3)

    x = torch.from_numpy(images.transpose(0, 3, 1, 2))
    x = F.relu6(normed(x, "_conv_stem", "_bn0", stride=2))
    levels = {}
    for number, (inputs, filters, _, stride, expansion) in enumerate(blocks()):
        name, before = f"_blocks.{number}.", x
        if expansion > 1:
            x = F.relu6(normed(x, f"{name}_expand_conv", f"{name}_bn0"))
        x = F.relu6(normed(x, f"{name}_depthwise_conv", f"{name}_bn1", stride, depthwise=True))
        x = normed(x, f"{name}_project_conv", f"{name}_bn2")
        if stride == 1 and inputs == filters:
            x = x + before
        if number in LEVELS:
            levels[LEVELS[number]] = x.numpy().transpose(0, 2, 3, 1)
    return levels


@pytest.fixture(scope="module")
def weights():
    return random_weights(shapes())


def write(weights, path):
    counters = {"_bn0.num_batches_tracked": torch.tensor(3)}
    torch.save({n: torch.from_numpy(v) for n, v in weights.items()} | counters, path)
    return str(path)


def test_a_start_from_imported_weights_computes_what_pytorch_does(weights, tmp_path):
    from tfseg.checkpoint import transfer
    from tfseg.import_weights import import_weights, imported_params
    from tfseg.modeling import factory

    path = write(weights, tmp_path / "lite0.pth")
    ignored = import_weights(path, str(tmp_path / "start"))
    assert sorted(ignored) == ["_bn0.num_batches_tracked", "_fc.bias", "_fc.weight"]

    model = factory.build_model(imported_params(["dress"], "efficientnet").task)
    transfer = transfer.initialise(model, ["dress"], str(tmp_path / "start"), {})
    assert [one.split()[0] for one in transfer.loaded] == ["backbone"]

    images = np.random.default_rng(1).standard_normal((1, 512, 512, 3)).astype(np.float32)
    ours, theirs = model.backbone(images, training=False), forward(weights, images)
    for level, expected in theirs.items():
        assert ours[str(level)].shape == expected.shape
        error = np.abs(ours[str(level)] - expected).max() / np.abs(expected).max()
        assert error < 1e-4, (level, error)


def test_another_efficientnet_is_refused_by_the_name_of_its_weight(weights, tmp_path):
    from tfseg.import_weights import import_weights

    path = write(
        weights | {"_blocks.0._se_reduce.weight": np.zeros(1, np.float32)}, tmp_path / "b0.pth"
    )
    with pytest.raises(ValueError, match=r"_blocks\.0\._se_reduce\.weight: not a weight of Eff"):
        import_weights(path, str(tmp_path / "start"))

    wider = weights | {"_conv_stem.weight": np.zeros((40, 3, 3, 3), np.float32)}
    with pytest.raises(ValueError, match=r"stem: got a weight of shape .* EfficientNet-Lite0\."):
        import_weights(write(wider, tmp_path / "wide.pth"), str(tmp_path / "start"))
