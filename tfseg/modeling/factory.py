"""Model Garden's Mask R-CNN, built and adapted as a task config says."""

import tensorflow as tf
import tf_keras
from official.vision.modeling import factory as model_garden
from official.vision.modeling.layers import detection_generator

from tfseg.configs.maskrcnn import MODULES, FashionMaskRCNN, padded_size
from tfseg.modeling import keras_compat, torch_padding
from tfseg.modeling.attribute_head import add_attribute_head, head_of
from tfseg.modeling.batch_norm_folding import BATCH_NORMS
from tfseg.modeling.box_sampler import seed_roi_samplers
from tfseg.modeling.ignoring_samplers import IgnoringMaskSampler, IgnoringROISampler
from tfseg.modeling.roi_generator import Float32ROIGenerator


@tf.autograph.experimental.do_not_convert
def build_model(task_config: FashionMaskRCNN) -> tf_keras.Model:
    """Builds the model that a task config describes, with random weights.

    Its box samplers are seeded ones (box_sampler.seeded_samplers finds them).
    """
    # AutoGraph would rewrite all of Model Garden's layers, which need none of it.
    model = _build_for_device(task_config)
    add_attribute_head(model, task_config)
    seed_roi_samplers(model)
    if task_config.stride_in_1x1:
        torch_padding.stride_in_first_convolution(model.backbone)
    if task_config.symmetric_padding:
        torch_padding.pad_symmetrically(model.backbone)
        torch_padding.pad_symmetrically(model.decoder)
    _freeze(model, task_config)
    return model


def _build_for_device(task_config: FashionMaskRCNN) -> tf_keras.Model:
    """Model Garden's model for the padded input, on a CPU of kernels that are quicker there."""
    model_config: dict[str, list[int] | dict[str, bool]]
    model_config = {"input_size": [*padded_size(task_config.model), 3]}
    num_replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if num_replicas == 1:
        # Nothing to synchronise: fused normalization does the same, but that the variance it
        # keeps is the unbiased one.
        model_config["norm_activation"] = {"use_sync_bn": False}
    model = _build(task_config.replace(model=model_config))
    is_synchronized = task_config.model.norm_activation.use_sync_bn and num_replicas > 1
    if model.mask_head is not None and is_synchronized:
        _synchronize_mask_head(model.mask_head)
    config = model.roi_generator.get_config()
    model.roi_generator = Float32ROIGenerator(quick=runs_on_cpu(), **config)
    # Layers without weights, whose inputs Keras would round to a mixed precision's type.
    model.roi_sampler = [
        IgnoringROISampler(**layer.get_config(), autocast=False) for layer in model.roi_sampler
    ]
    if model.mask_sampler is not None:
        config = model.mask_sampler.get_config()
        model.mask_sampler = IgnoringMaskSampler(**config, autocast=False)
    return model


def _build(task_config: FashionMaskRCNN) -> tf_keras.Model:
    """What MaskRCNNTask.build_model gives, in a fraction of its time.

    Weights are made by a call that goes on to the detections. Model Garden's suppression is a loop
    of TensorFlow for each level and each category, most of the graph: 3 s for 13, 20 s for 90.
    """
    config = task_config.model
    decay = task_config.losses.l2_weight_decay
    model = model_garden.build_maskrcnn(
        input_specs=tf_keras.layers.InputSpec(shape=[None, *config.input_size]),
        model_config=config,
        # Half of it, as tf.nn.l2_loss halves the sum of squares.
        l2_regularizer=tf_keras.regularizers.l2(decay / 2) if decay else None,
    )
    if task_config.freeze_backbone:
        model.backbone.trainable = False
    wanted = model.roi_generator, model.detection_generator
    model.roi_generator = Float32ROIGenerator(quick=True, **model.roi_generator.get_config())
    model.detection_generator = _OneOpDetectionGenerator(nms_version="batched")
    model(tf_keras.Input(config.input_size), image_shape=tf_keras.Input([2]), training=False)
    model.roi_generator, model.detection_generator = wanted
    return model


class _OneOpDetectionGenerator(detection_generator.DetectionGenerator):
    """Suppresses by a single op, which takes float32 whatever the precision is."""

    def __call__(self, raw_boxes, raw_scores, *others, **named):
        boxes, scores = (tf.cast(raw, tf.float32) for raw in (raw_boxes, raw_scores))
        return super().__call__(boxes, scores, *others, **named)


def _synchronize_mask_head(mask_head: tf_keras.layers.Layer) -> None:
    """Model Garden synchronizes every normalization but the mask head's."""
    for layer in keras_compat.layers_of(mask_head):
        if isinstance(layer, tf_keras.layers.BatchNormalization):
            keras_compat.synchronize(layer)


def runs_on_cpu() -> bool:
    """Whether TensorFlow may use no GPU; strategy.make_strategy hides them from a CPU training."""
    return not tf.config.list_logical_devices("GPU")


def _freeze(model: tf_keras.Model, task_config: FashionMaskRCNN) -> None:
    modules = modules_of(model)
    for name in task_config.freeze:
        modules[name].trainable = False
    if task_config.freeze_backbone_level:
        _freeze_up_to_level(model.backbone, task_config.freeze_backbone_level)
    if task_config.freeze_batch_norm:
        for layer in keras_compat.layers_of(model):
            if isinstance(layer, BATCH_NORMS):
                layer.trainable = False


def _freeze_up_to_level(backbone: tf_keras.Model, level: int) -> None:
    features = backbone.output
    if str(level) not in features:
        raise ValueError(
            f"task.freeze_backbone_level={level}: the backbone has the levels "
            f"{', '.join(sorted(features))}; expected one of them, or 0 to freeze none."
        )
    for layer in tf_keras.Model(backbone.input, features[str(level)]).layers:
        layer.trainable = False


def modules_of(model) -> dict[str, tf.Module]:
    """The parts of a Mask R-CNN, by MODULES' names."""
    heads = (model.rpn_head, model.detection_head[0], model.mask_head, head_of(model))
    parts = (model.backbone, model.decoder, *heads)
    return {name: part for name, part in zip(MODULES, parts, strict=True) if part is not None}
