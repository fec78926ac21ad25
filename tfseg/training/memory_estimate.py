"""What memory a training takes, estimated from its config before it starts."""

_GIB = 2**30
_ROI_CELLS, _MASK_CELLS, _SAMPLES = 7 * 7, 14 * 14, 4  # RoIAlign's samples a cell

# Fitted to measured peaks (tests/benchmarks/training_memory.py), the share of bfloat16_on_cpu, too;
# that of mixed precision is not measured.
_BASE_BYTES = 1.05 * _GIB
_BYTES_PER_VALUE = 4.8  # float32, and what is there in passing
_COPIES = 4  # weights, gradients, momentum, one in passing


def estimate(params, num_values: int) -> float:
    """Bytes of memory at a training's peak, on the CPU.

    The program itself, the weights with what the optimizer keeps of each, and the values of the
    forward pass that the backward pass needs.

    Args:
        params: ExperimentConfig.
        num_values: Values of the model's weights.
    """
    data = params.task.train_data
    copies = _COPIES + bool(params.trainer.optimizer_config.ema)
    share = 0.5 if data.dtype == "bfloat16" else 0.7 if params.task.bfloat16_on_cpu else 1.0
    values = data.global_batch_size * values_per_image(params.task.model)
    return _BASE_BYTES + 4 * copies * num_values + _BYTES_PER_VALUE * share * values


def values_per_image(model) -> float:
    """Counts the values that are kept of a photo for the backward pass.

    Args:
        model: official.vision.configs.maskrcnn.MaskRCNN.
    """
    height, width = model.input_size[:2]
    pixels = height * width
    filters = model.decoder.fpn.num_filters if model.decoder.fpn else 256
    places = sum(pixels / 4**level for level in range(model.min_level, model.max_level + 1))
    # Lateral and second convolution and normalization of the pyramid; the region head's.
    pyramid = 6 * filters * places
    box_head, mask_head = model.detection_head, model.mask_head
    box_values = _ROI_CELLS * filters * (_SAMPLES + 2 * box_head.num_convs)
    box_values += 3 * box_head.num_fcs * box_head.fc_dims
    convs = _SAMPLES + 2 * mask_head.num_convs
    upsampled = 3 * _SAMPLES  # twice as high and wide
    mask_values = _MASK_CELLS * (convs + upsampled) * mask_head.num_filters
    return (
        pixels * _backbone_values_per_pixel(model.backbone)
        + pyramid
        + model.roi_sampler.num_sampled_rois * box_values
        + model.mask_sampler.num_sampled_masks * mask_values
    )


def _backbone_values_per_pixel(backbone) -> float:
    """Of a ResNet: each convolution's output and its normalization's; other backbones as 50's."""
    depth = backbone.resnet.model_id if backbone.type == "resnet" else 50
    blocks = {
        18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3),
        152: (3, 8, 36, 3), 200: (3, 24, 36, 3),
    }.get(depth, (3, 4, 6, 3))  # fmt: skip
    of_block = 4 if depth < 50 else 12  # in multiples of the block's narrow width
    stages = sum(
        count * of_block * 64 * 2**stage / 4 ** (stage + 2) for stage, count in enumerate(blocks)
    )
    return 36 + stages
