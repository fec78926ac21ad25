"""What memory a training takes, estimated from its config and model before it starts."""

from collections.abc import Sequence

import tensorflow as tf
import tf_keras

_GIB = 2**30
_ROI_CELLS, _MASK_CELLS, _SAMPLES = 7 * 7, 14 * 14, 4  # RoIAlign's samples a cell

# Fitted to measured peaks (tests/benchmarks/training_memory.py), the share of bfloat16_on_cpu, too;
# that of mixed precision is not measured.
_BASE_BYTES = 1.05 * _GIB
_BYTES_PER_VALUE = 4.8  # float32, and what is there in passing
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
_KEPT_A_CONVOLUTION = 2  # its output, its normalization's
_COPIES = 4  # weights, gradients, momentum, one in passing


def estimate(params, model: tf_keras.Model) -> float:
    """Bytes of memory at a training's peak, on the CPU.

    The program itself, the weights with what the optimizer keeps of each, and the values of the
    forward pass that the backward pass needs.

    Args:
        params: ExperimentConfig.
        model: The Mask R-CNN that the config describes.
    """
    return (
        _BASE_BYTES
        + bytes_of_weights(params, model)
        + bytes_of_batch(params, model, photos_at_once(params, 1))
    )


def photos_at_once(params, num_replicas: int) -> int:
    """How many photos are in a device at a time: its share of the batch, or a part of that."""
    batch = params.task.train_data.global_batch_size // num_replicas
    return batch // params.task.gradient_accumulation_steps


def bytes_of_weights(params, model: tf_keras.Model) -> float:
    """Bytes that the weights take, with what the optimizer keeps of each."""
    copies = _COPIES + bool(params.trainer.optimizer_config.ema)
    return 4.0 * copies * model.count_params()


def bytes_of_batch(params, model: tf_keras.Model, num_photos: int) -> float:
    """Bytes that the forward pass of so many photos leaves for the backward pass."""
    data = params.task.train_data
    share = 0.5 if data.dtype == "bfloat16" else 0.7 if params.task.bfloat16_on_cpu else 1.0
    config = params.task.model
    values = backbone_values(model.backbone, config.input_size) + head_values(config)
    return _BYTES_PER_VALUE * share * num_photos * values


def head_values(model) -> float:
    """Counts the values that all but the backbone keep of a photo for the backward pass.

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
        pyramid
        + model.roi_sampler.num_sampled_rois * box_values
        + model.mask_sampler.num_sampled_masks * mask_values
    )


def backbone_values(backbone: tf_keras.Model, input_size: Sequence[int]) -> int:
    """Counts the values that a backbone keeps of a photo: of each convolution and normalization.

    Args:
        backbone: Built; any.
        input_size: Height, width and channels.
    """
    shape = tf.TensorSpec([1, *input_size])
    traced = tf.function(lambda images: backbone(images, training=False))
    operations = traced.get_concrete_function(shape).graph.get_operations()
    outputs = (one.outputs[0].shape for one in operations if one.type in _CONVOLUTIONS)
    return _KEPT_A_CONVOLUTION * sum(shape.num_elements() for shape in outputs)
