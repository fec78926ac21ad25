"""PyTorch's R50-FPN Mask R-CNN from its own weight names: what imported weights must compute.

Written from detectron2/modeling and torchvision/models/detection; names, shapes and layouts of the
files are those of COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x and maskrcnn_resnet50_fpn.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

BLOCKS = {2: 3, 3: 4, 4: 6, 5: 3}
PIXEL_MEAN_BGR = (103.53, 116.28, 123.675)
DEVIATION_RGB = (0.229, 0.224, 0.225)
MEAN_RGB = (0.485, 0.456, 0.406)


def detectron2_shapes(num_categories=80) -> dict[str, tuple[int, ...]]:
    """Every name and shape of a Detectron2 file."""
    shapes = {}
    body = "backbone.bottom_up."

    def convolution(name, *shape):
        shapes[f"{name}.weight"] = shape

    def normed(name, *shape):
        convolution(name, *shape)
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.norm.{part}"] = (shape[0],)

    def biased(name, *shape):
        convolution(name, *shape)
        shapes[f"{name}.bias"] = (shape[1] if name.endswith("deconv") else shape[0],)

    normed(f"{body}stem.conv1", 64, 3, 7, 7)
    inputs = 64
    for stage, number in BLOCKS.items():
        width = 64 * 2 ** (stage - 2)
        for block in range(number):
            name = f"{body}res{stage}.{block}"
            if block == 0:
                normed(f"{name}.shortcut", 4 * width, inputs, 1, 1)
            normed(f"{name}.conv1", width, inputs, 1, 1)
            normed(f"{name}.conv2", width, width, 3, 3)
            normed(f"{name}.conv3", 4 * width, width, 1, 1)
            inputs = 4 * width
        biased(f"backbone.fpn_lateral{stage}", 256, inputs, 1, 1)
        biased(f"backbone.fpn_output{stage}", 256, 256, 3, 3)
    rpn = "proposal_generator.rpn_head"
    biased(f"{rpn}.conv", 256, 256, 3, 3)
    biased(f"{rpn}.objectness_logits", 3, 256, 1, 1)
    biased(f"{rpn}.anchor_deltas", 12, 256, 1, 1)
    for level in range(5):
        shapes[f"proposal_generator.anchor_generator.cell_anchors.{level}"] = (3, 4)
    biased("roi_heads.box_head.fc1", 1024, 256 * 49)
    biased("roi_heads.box_head.fc2", 1024, 1024)
    biased("roi_heads.box_predictor.cls_score", num_categories + 1, 1024)
    biased("roi_heads.box_predictor.bbox_pred", 4 * num_categories, 1024)
    for number in range(1, 5):
        biased(f"roi_heads.mask_head.mask_fcn{number}", 256, 256, 3, 3)
    biased("roi_heads.mask_head.deconv", 256, 256, 2, 2)
    biased("roi_heads.mask_head.predictor", num_categories, 256, 1, 1)
    return shapes


_TORCHVISION = (
    ("backbone.bottom_up.stem.conv1.norm", "backbone.body.bn1"),
    ("backbone.bottom_up.stem.conv1", "backbone.body.conv1"),
    *[(f"backbone.bottom_up.res{s}", f"backbone.body.layer{s - 1}") for s in BLOCKS],
    *[(f".conv{n}.norm", f".bn{n}") for n in (1, 2, 3)],
    (".shortcut.norm", ".downsample.1"),
    (".shortcut", ".downsample.0"),
    *[(f"backbone.fpn_lateral{s}", f"backbone.fpn.inner_blocks.{s - 2}.0") for s in BLOCKS],
    *[(f"backbone.fpn_output{s}", f"backbone.fpn.layer_blocks.{s - 2}.0") for s in BLOCKS],
    ("proposal_generator.rpn_head.conv", "rpn.head.conv.0.0"),
    ("proposal_generator.rpn_head.objectness_logits", "rpn.head.cls_logits"),
    ("proposal_generator.rpn_head.anchor_deltas", "rpn.head.bbox_pred"),
    ("box_head.fc1", "box_head.fc6"),
    ("box_head.fc2", "box_head.fc7"),
    *[(f"mask_head.mask_fcn{n}", f"mask_head.{n - 1}.0") for n in range(1, 5)],
    ("mask_head.deconv", "mask_predictor.conv5_mask"),
    ("mask_head.predictor", "mask_predictor.mask_fcn_logits"),
)
# torchvision's names until 0.12, which its older files have.
_OLD_TORCHVISION = (
    *[
        (f"{kind}_blocks.{n}.0", f"{kind}_blocks.{n}")
        for kind in ("inner", "layer")
        for n in range(4)
    ],
    ("rpn.head.conv.0.0", "rpn.head.conv"),
    *[(f"mask_head.{n}.0", f"mask_head.mask_fcn{n + 1}") for n in range(4)],
)


def torchvision_name(name: str) -> str:
    """The torchvision name of a Detectron2 name."""
    for theirs, ours in _TORCHVISION:
        name = name.replace(theirs, ours)
    return name


def old_torchvision_name(name: str) -> str:
    """The older torchvision name of a newer one."""
    for new, old in _OLD_TORCHVISION:
        name = name.replace(new, old)
    return name


def torchvision_shapes() -> dict[str, tuple[int, ...]]:
    """Every name and shape of a torchvision file (91 classes, background among them)."""
    shapes = {
        torchvision_name(name): shape
        for name, shape in detectron2_shapes(91).items()
        if "cell_anchors" not in name
    }
    for part, shape in (("weight", (91, 1024)), ("bias", (91,))):
        shapes[f"roi_heads.box_predictor.cls_score.{part}"] = shape
    return shapes


def random_weights(shapes: dict, seed=0) -> dict[str, np.ndarray]:
    """Weights that keep activations near 1."""
    random = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes.items():
        if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
            weights[name] = random.uniform(0.5, 1.5, shape).astype(np.float32)
        elif len(shape) == 1:
            weights[name] = random.normal(0, 0.1, shape).astype(np.float32)
        else:
            scale = math.sqrt(1.0 / np.prod(shape[1:]))
            if name.endswith(("anchor_deltas.weight", "rpn.head.bbox_pred.weight")):
                scale /= 1000  # their exponential becomes a box's size
            weights[name] = (scale * random.standard_normal(shape, np.float32)).astype(np.float32)
    return weights


class Reference:
    """The forward pass."""

    def __init__(self, weights: dict[str, np.ndarray], source: str):
        self._weights = {name: torch.from_numpy(value) for name, value in weights.items()}
        self._source = source
        self._name = torchvision_name if source == "torchvision" else lambda name: name

    def _get(self, name):
        return self._weights[self._name(name)]

    def _normed(self, name, x, stride=1):
        kernel = self._get(f"{name}.weight")
        x = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)
        parts = [self._get(f"{name}.norm.{part}") for part in ("running_mean", "running_var")]
        affine = [self._get(f"{name}.norm.{part}") for part in ("weight", "bias")]
        return F.batch_norm(x, *parts, *affine, training=False, eps=1e-5)

    def _biased(self, name, x, stride=1):
        kernel = self._get(f"{name}.weight")
        bias = self._get(f"{name}.bias")
        return F.conv2d(x, kernel, bias, stride=stride, padding=kernel.shape[-1] // 2)

    def backbone(self, rgb: np.ndarray) -> dict[int, torch.Tensor]:
        """From uint8 or float [height, width, 3] in 0..255 to the four stages."""
        if self._source == "detectron2":
            x = rgb[..., ::-1] - np.float32(PIXEL_MEAN_BGR)
        else:
            x = (rgb / 255 - np.float32(MEAN_RGB)) / np.float32(DEVIATION_RGB)
        x = torch.from_numpy(np.float32(x).transpose(2, 0, 1)[np.newaxis].copy())
        x = F.relu(self._normed("backbone.bottom_up.stem.conv1", x, stride=2))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        stages = {}
        for stage, number in BLOCKS.items():
            for block in range(number):
                name = f"backbone.bottom_up.res{stage}.{block}"
                stride = 2 if stage > 2 and block == 0 else 1
                first = stride if self._source == "detectron2" else 1
                shortcut = self._normed(f"{name}.shortcut", x, stride) if block == 0 else x
                y = F.relu(self._normed(f"{name}.conv1", x, first))
                y = F.relu(self._normed(f"{name}.conv2", y, stride // first))
                x = F.relu(self._normed(f"{name}.conv3", y) + shortcut)
            stages[stage] = x
        return stages

    def pyramid(self, stages: dict[int, torch.Tensor]) -> dict[int, torch.Tensor]:
        """Levels 2 to 6."""
        levels, above = {}, None
        for stage in (5, 4, 3, 2):
            lateral = self._biased(f"backbone.fpn_lateral{stage}", stages[stage])
            above = lateral if above is None else lateral + F.interpolate(above, scale_factor=2)
            levels[stage] = self._biased(f"backbone.fpn_output{stage}", above)
        levels[6] = F.max_pool2d(levels[5], 1, stride=2)
        return levels

    def proposals(self, levels: dict[int, torch.Tensor]):
        """Scores [cells * 3] and boxes xyxy [cells * 3, 4] before selection, by level."""
        found = {}
        for level, features in levels.items():
            stride, size = 2**level, 2 ** (level + 3)
            x = F.relu(self._biased("proposal_generator.rpn_head.conv", features))
            scores = self._biased("proposal_generator.rpn_head.objectness_logits", x)
            deltas = self._biased("proposal_generator.rpn_head.anchor_deltas", x)
            _, _, height, width = scores.shape
            deltas = deltas.view(3, 4, height, width).permute(2, 3, 0, 1)
            ratios = torch.tensor([0.5, 1.0, 2.0])  # of height to width
            anchor_w, anchor_h = size / ratios.sqrt(), size * ratios.sqrt()
            x_centre = torch.arange(width)[None, :, None] * stride + deltas[..., 0] * anchor_w
            y_centre = torch.arange(height)[:, None, None] * stride + deltas[..., 1] * anchor_h
            w, h = deltas[..., 2].exp() * anchor_w, deltas[..., 3].exp() * anchor_h
            boxes = [x_centre - w / 2, y_centre - h / 2, x_centre + w / 2, y_centre + h / 2]
            found[level] = scores[0].permute(1, 2, 0), torch.stack(boxes, -1)
        return found

    def box_head(self, roi_features: torch.Tensor):
        """From [num, 256, 7, 7] to class logits and boxes [num, categories, 4 (x, y, w, h)]."""
        x = roi_features.flatten(1)
        for name in ("roi_heads.box_head.fc1", "roi_heads.box_head.fc2"):
            x = F.relu(F.linear(x, self._get(f"{name}.weight"), self._get(f"{name}.bias")))
        outputs = []
        for part in ("cls_score", "bbox_pred"):
            name = f"roi_heads.box_predictor.{part}"
            outputs.append(F.linear(x, self._get(f"{name}.weight"), self._get(f"{name}.bias")))
        return outputs[0], outputs[1].view(len(x), -1, 4)

    def mask_head(self, roi_features: torch.Tensor) -> torch.Tensor:
        """From [num, 256, 14, 14] to mask logits [num, categories, 28, 28]."""
        x = roi_features
        for number in range(1, 5):
            x = F.relu(self._biased(f"roi_heads.mask_head.mask_fcn{number}", x))
        name = "roi_heads.mask_head.deconv"
        x = F.conv_transpose2d(x, self._get(f"{name}.weight"), self._get(f"{name}.bias"), stride=2)
        return self._biased("roi_heads.mask_head.predictor", F.relu(x))
