"""PyTorch's ResNet-FPN Mask R-CNN weights in the layers of Model Garden's.

Names: detectron2/modeling (COCO-InstanceSegmentation/mask_rcnn_R_50_FPN and R_101) and torchvision
(maskrcnn_resnet50_fpn, resnet50, resnet101, resnet152), both of its generations of names.
"""

import re
from collections.abc import Iterable

import numpy as np

from tfseg.modeling import model_garden_compat

# A regular expression for a source name -> our neutral name.
_DETECTRON2 = (
    (r"(?:backbone\.bottom_up\.)?stem\.conv1\.(.*)", r"stem.\1"),
    (r"(?:backbone\.bottom_up\.)?res(\d)\.(\d+)\.(conv\d|shortcut)\.(.*)", r"res\1.\2.\3.\4"),
    (r"backbone\.fpn_(lateral|output)(\d)\.(.*)", r"\1\2.\3"),
    (r"proposal_generator\.rpn_head\.conv\.(.*)", r"rpn_conv.\1"),
    (r"proposal_generator\.rpn_head\.objectness_logits\.(.*)", r"rpn_scores.\1"),
    (r"proposal_generator\.rpn_head\.anchor_deltas\.(.*)", r"rpn_boxes.\1"),
    (r"roi_heads\.box_head\.fc(\d)\.(.*)", r"fc\1.\2"),
    (r"roi_heads\.box_predictor\.cls_score\.(.*)", r"classes.\1"),
    (r"roi_heads\.box_predictor\.bbox_pred\.(.*)", r"boxes.\1"),
    (r"roi_heads\.mask_head\.mask_fcn(\d)\.(.*)", r"mask\1.\2"),
    (r"roi_heads\.mask_head\.deconv\.(.*)", r"deconv.\1"),
    (r"roi_heads\.mask_head\.predictor\.(.*)", r"masks.\1"),
)
_BODY = r"(?:backbone\.body\.)?"
_TORCHVISION = (
    (_BODY + r"conv1\.(.*)", r"stem.\1"),
    (_BODY + r"bn1\.(.*)", r"stem.norm.\1"),
    (_BODY + r"layer(\d)\.(\d+)\.conv(\d)\.(.*)", r"layer\1.\2.conv\3.\4"),
    (_BODY + r"layer(\d)\.(\d+)\.bn(\d)\.(.*)", r"layer\1.\2.conv\3.norm.\4"),
    (_BODY + r"layer(\d)\.(\d+)\.downsample\.0\.(.*)", r"layer\1.\2.shortcut.\3"),
    (_BODY + r"layer(\d)\.(\d+)\.downsample\.1\.(.*)", r"layer\1.\2.shortcut.norm.\3"),
    (r"backbone\.fpn\.inner_blocks\.(\d)\.(?:0\.)?(\w+)", r"inner\1.\2"),
    (r"backbone\.fpn\.layer_blocks\.(\d)\.(?:0\.)?(\w+)", r"outer\1.\2"),
    (r"rpn\.head\.conv\.(?:0\.0\.)?(\w+)", r"rpn_conv.\1"),
    (r"rpn\.head\.cls_logits\.(.*)", r"rpn_scores.\1"),
    (r"rpn\.head\.bbox_pred\.(.*)", r"rpn_boxes.\1"),
    (r"roi_heads\.box_head\.fc6\.(.*)", r"fc1.\1"),
    (r"roi_heads\.box_head\.fc7\.(.*)", r"fc2.\1"),
    (r"roi_heads\.box_predictor\.cls_score\.(.*)", r"classes.\1"),
    (r"roi_heads\.box_predictor\.bbox_pred\.(.*)", r"boxes.\1"),
    (r"roi_heads\.mask_head\.mask_fcn(\d)\.(.*)", r"mask\1.\2"),
    (r"roi_heads\.mask_head\.(\d)\.0\.(.*)", r"mask_from0_\1.\2"),
    (r"roi_heads\.mask_predictor\.conv5_mask\.(.*)", r"deconv.\1"),
    (r"roi_heads\.mask_predictor\.mask_fcn_logits\.(.*)", r"masks.\1"),
)
# Facts and counters, not weights; and the classifier of ImageNet weights.
_IGNORED = re.compile(
    r".*num_batches_tracked|.*cell_anchors.*|pixel_mean|pixel_std|(stem\.)?fc\.(weight|bias)"
    r"|linear\.(weight|bias)"
)
_DEPTHS = {(3, 4, 6, 3): 50, (3, 4, 23, 3): 101, (3, 8, 36, 3): 152}
_EPSILON = 1e-5  # of both projects' batch normalization


def neutral_names(weights: dict[str, np.ndarray]) -> tuple[str, dict[str, np.ndarray], list[str]]:
    """Tells whose weights these are and gives them names of ours.

    Args:
        weights: Arrays by the source's names.

    Returns:
        "detectron2" or "torchvision"; arrays by neutral name; the names that were left out.

    Raises:
        ValueError: A name belongs to neither.
    """
    source = "detectron2" if any("stem.conv1" in name for name in weights) else "torchvision"
    patterns = _DETECTRON2 if source == "detectron2" else _TORCHVISION
    wanted = (
        f"a ResNet-FPN Mask R-CNN or ResNet of {source}; expected such as "
        "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN, maskrcnn_resnet50_fpn or resnet50"
    )
    named, ignored = renamed(weights, patterns, _IGNORED, wanted)
    return source, {_renumbered(name): value for name, value in named.items()}, ignored


def renamed(
    weights: dict[str, np.ndarray], patterns, left_out: re.Pattern, wanted: str
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Gives weights other names.

    Args:
        weights: Arrays by the source's names.
        patterns: (regular expression of a whole name, what it becomes); the first that fits.
        left_out: Whole names that are no weights of a model of ours.
        wanted: What the file should be, for the error.

    Returns:
        Arrays by new name, and the names that were left out.

    Raises:
        ValueError: No pattern fits a name.
    """
    named, ignored = {}, []
    for name, value in weights.items():
        if left_out.fullmatch(name):
            ignored.append(name)
            continue
        new_name = next(
            (re.sub(p, new, name) for p, new in patterns if re.fullmatch(p, name)), None
        )
        if new_name is None:
            raise ValueError(f"{name}: not a weight of {wanted}.")
        named[new_name] = value
    return named, ignored


def _renumbered(name: str) -> str:
    """torchvision counts stages and blocks from other numbers."""
    name = re.sub(r"^layer(\d)", lambda m: f"res{int(m[1]) + 1}", name)
    name = re.sub(r"^inner(\d)", lambda m: f"lateral{int(m[1]) + 2}", name)
    name = re.sub(r"^outer(\d)", lambda m: f"output{int(m[1]) + 2}", name)
    return re.sub(r"^mask_from0_(\d)", lambda m: f"mask{int(m[1]) + 1}", name)


def blocks_of(weights: Iterable[str]) -> tuple[int, ...]:
    """Counts the blocks of a ResNet's four stages.

    Args:
        weights: Neutral names.
    """
    found = {(m[1], m[2]) for name in weights if (m := re.match(r"res([2-5])\.(\d+)\.", name))}
    return tuple(sum(stage == one for one, _ in found) for stage in "2345")


def resnet_depth(weights: Iterable[str]) -> int:
    """The number that a ResNet of bottleneck blocks is called by.

    Args:
        weights: Neutral names.

    Raises:
        ValueError: It is none of 50, 101 and 152.
    """
    blocks = blocks_of(weights)
    if blocks not in _DEPTHS:
        raise ValueError(
            f"a ResNet with {blocks} blocks in its stages; expected ResNet-50 (3, 4, 6, 3), "
            "ResNet-101 (3, 4, 23, 3) or ResNet-152 (3, 8, 36, 3)."
        )
    return _DEPTHS[blocks]


class Importer:
    """Fills a Mask R-CNN's layers, and knows what has been used and filled.

    Args:
        weights: Arrays by neutral name.
        source: Whose they are; in errors, too.
        epsilon: Of the source's batch normalization.
    """

    def __init__(self, weights: dict[str, np.ndarray], source: str, epsilon: float = _EPSILON):
        self._weights, self._source, self._epsilon = dict(weights), source, epsilon
        self._filled: set[int] = set()  # ids of variables

    def fill_backbone(self, backbone) -> None:
        """Fills a ResNet of bottleneck blocks that has as many as the weights."""
        from official.vision.modeling.layers import nn_blocks

        kernel = self._kernel("stem")
        if self._source == "detectron2":
            # Its input is BGR from 0 to 255, ours RGB over the deviations of 0 to 1.
            deviations = 255 * np.array([0.229, 0.224, 0.225], np.float32)
            kernel = kernel[:, :, ::-1] * deviations[:, np.newaxis]
        self._set(backbone.layers[1].kernel, kernel, "stem")
        self._norm(backbone.layers[2], "stem")
        blocks = [one for one in backbone.layers if isinstance(one, nn_blocks.BottleneckBlock)]
        names = [
            f"res{stage}.{block}"
            for stage, count in enumerate(blocks_of(self._weights), 2)
            for block in range(count)
        ]
        for name, block in zip(names, blocks, strict=True):
            layers = model_garden_compat.bottleneck_layers(block)
            for number, layer in enumerate(layers.main, 1):
                self._convolution_and_norm(layer, f"{name}.conv{number}")
            if layers.shortcut:
                self._convolution_and_norm(layers.shortcut, f"{name}.shortcut")

    def fill_decoder(self, decoder) -> None:
        """Fills a pyramid of levels 2 to 6."""
        for level in range(2, 6):
            layers = model_garden_compat.pyramid_layers(decoder, level)
            self._convolution(layers.lateral, f"lateral{level}")
            self._convolution(layers.output, f"output{level}")
            self._no_norm(layers.norm)
        # PyTorch's level 6 is every second cell of level 5.
        _, coarser, norm = model_garden_compat.pyramid_layers(decoder, 6, is_coarser=True)
        kernel = np.zeros(coarser.kernel.shape, np.float32)
        kernel[1, 1] = np.eye(kernel.shape[-1])
        self._set(coarser.kernel, kernel, "level 6")
        self._set(coarser.bias, np.zeros(coarser.bias.shape), "level 6")
        self._no_norm(norm)

    def fill_rpn_head(self, head) -> None:
        """Fills the region proposal network for ratios 0.5, 1, 2 and anchors of 8 strides."""
        layers = model_garden_compat.region_head_layers(head)
        self._convolution(layers.convolutions[0], "rpn_conv")
        for norms in layers.norms:
            self._no_norm(norms[0])
        # PyTorch's ratios are of height to width, ours of width to height: the order turns round.
        scores, scores_bias = self._kernel("rpn_scores"), self._take("rpn_scores.bias")
        self._set(layers.scores.kernel, scores[..., ::-1], "rpn_scores")
        self._set(layers.scores.bias, scores_bias[::-1], "rpn_scores")
        boxes = self._kernel("rpn_boxes")
        boxes = boxes.reshape(*boxes.shape[:-1], 3, 4)[..., ::-1, _YXHW]
        bias = self._take("rpn_boxes.bias").reshape(3, 4)[::-1, _YXHW].copy()
        # Its anchors stand on the cells' corners, ours on their centres: half a stride further.
        widths = 8 * np.sqrt([0.5, 1.0, 2.0])  # in strides
        bias[:, 0] -= 0.5 / widths[::-1]
        bias[:, 1] -= 0.5 / widths
        self._set(layers.boxes.kernel, boxes.reshape(*boxes.shape[:-2], 12), "rpn_boxes")
        self._set(layers.boxes.bias, bias.reshape(-1), "rpn_boxes")

    def fill_detection_head(self, head) -> None:
        """Fills the box head of two fully connected layers."""
        layers = model_garden_compat.box_head_layers(head)
        first, second = layers.fcs
        flat = self._take("fc1.weight")  # [units, channels * 7 * 7]
        flat = flat.reshape(flat.shape[0], -1, 7, 7).transpose(2, 3, 1, 0)
        self._set(first.kernel, flat.reshape(-1, flat.shape[-1]), "fc1")
        self._set(first.bias, self._take("fc1.bias"), "fc1")
        self._set(second.kernel, self._take("fc2.weight").T, "fc2")
        self._set(second.bias, self._take("fc2.bias"), "fc2")
        for norm in layers.norms:
            self._no_norm(norm)
        order = self._class_order(layers.classes.bias.shape[0])
        self._set(layers.classes.kernel, self._take("classes.weight")[order].T, "classes")
        self._set(layers.classes.bias, self._take("classes.bias")[order], "classes")
        kernel = self._boxes_by_class(self._take("boxes.weight"))
        bias = self._boxes_by_class(self._take("boxes.bias"))
        self._set(layers.boxes.kernel, kernel.T, "boxes")
        self._set(layers.boxes.bias, bias, "boxes")

    def fill_mask_head(self, head) -> None:
        """Fills the mask head."""
        layers = model_garden_compat.mask_head_layers(head)
        for number, layer in enumerate(layers.convolutions, 1):
            self._convolution(layer, f"mask{number}")
        for norm in (*layers.norms, layers.upsampling.norm):
            self._no_norm(norm)
        # [in, out, height, width] -> [height, width, out, in]
        deconv = self._take("deconv.weight").transpose(2, 3, 1, 0)
        upsampling = layers.upsampling.convolution
        self._set(upsampling.kernel, deconv, "deconv")
        self._set(upsampling.bias, self._take("deconv.bias"), "deconv")
        kernel, bias = self._kernel("masks"), self._take("masks.bias")
        if self._source == "detectron2":  # it has no mask for the background
            kernel = np.pad(kernel, ((0, 0), (0, 0), (0, 0), (1, 0)))
            bias = np.pad(bias, (1, 0))
        self._set(layers.masks.kernel, kernel, "masks")
        self._set(layers.masks.bias, bias, "masks")

    def check_complete(self, variables) -> None:
        """Raises ValueError where a weight of the file or one of the model is left."""
        if self._weights:
            raise ValueError(
                f"{sorted(self._weights)[0]}: a weight that the model has no place for."
            )
        empty = [one.name for one in variables if id(one) not in self._filled]
        assert not empty, f"not filled: {empty}"

    def _take(self, name: str) -> np.ndarray:
        if name not in self._weights:
            raise ValueError(f"{name}: missing from the file; is it cut short, or another model?")
        return np.asarray(self._weights.pop(name), np.float32)

    def _kernel(self, name: str) -> np.ndarray:
        """[out, in, height, width] -> [height, width, in, out]."""
        return self._take(f"{name}.weight").transpose(2, 3, 1, 0)

    def _convolution(self, layer, name: str) -> None:
        self._set(layer.kernel, self._kernel(name), name)
        self._set(layer.bias, self._take(f"{name}.bias"), name)

    def _convolution_and_norm(self, layers: model_garden_compat.ConvNorm, name: str) -> None:
        self._set(layers.convolution.kernel, self._kernel(name), name)
        self._norm(layers.norm, name)

    def _norm(self, layer, name: str) -> None:
        gamma, beta = self._take(f"{name}.norm.weight"), self._take(f"{name}.norm.bias")
        mean = self._take(f"{name}.norm.running_mean")
        variance = self._take(f"{name}.norm.running_var")
        gamma = gamma * np.sqrt((variance + layer.epsilon) / (variance + self._epsilon))
        parts = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
        for variable, value in zip(parts, (gamma, beta, mean, variance), strict=True):
            self._set(variable, value, name)

    def _no_norm(self, layer) -> None:
        """Makes a normalization that the source does not have change nothing."""
        ones, zeros = np.ones(layer.gamma.shape), np.zeros(layer.gamma.shape)
        parts = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
        values = (ones * np.sqrt(1 + layer.epsilon), zeros, zeros, ones)
        for variable, value in zip(parts, values, strict=True):
            self._set(variable, value, layer.name)

    def _class_order(self, num_classes: int) -> np.ndarray:
        """Where the source has the classes that we have in the order background first."""
        order = np.arange(num_classes)
        return np.roll(order, 1) if self._source == "detectron2" else order

    def _boxes_by_class(self, boxes: np.ndarray) -> np.ndarray:
        """[classes * 4 (x, y, w, h), ...] -> the same with (y, x, h, w), background first."""
        boxes = boxes.reshape(-1, 4, *boxes.shape[1:])[:, _YXHW]
        if self._source == "detectron2":  # it has no box for the background
            boxes = np.concatenate([np.zeros_like(boxes[:1]), boxes])
        return boxes.reshape(-1, *boxes.shape[2:])

    def _set(self, variable, value: np.ndarray, name: str) -> None:
        if tuple(variable.shape) != np.shape(value):
            raise ValueError(
                f"{name}: got a weight of shape {np.shape(value)}, expected "
                f"{tuple(variable.shape)}: another architecture than this one of {self._source}."
            )
        variable.assign(value)
        self._filled.add(id(variable))


_YXHW = [1, 0, 3, 2]
