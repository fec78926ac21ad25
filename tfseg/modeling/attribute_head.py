"""How garments look: a branch that scores attributes on the crops that the box head sees.

As in Fashionpedia's Attribute-Mask R-CNN (2004.12276, section 5), a sigmoid for each attribute; but
with a layer of its own, with a bounded share of its gradient in what boxes and masks use, and with
the photo's own colours beside the features: those were learnt to tell categories, whatever their
colour.
"""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tf_keras

_PRIOR = 0.05  # of an attribute before anything is learnt (1708.02002, section 4.1)
_COLOURS = 3  # channels of the photo


class AttributeHead(tf_keras.layers.Layer):
    """Crops of with_photo's pyramid -> the logits of attributes.

    Attributes:
        attribute_names: In the order of the logits.
    """

    def __init__(
        self,
        attribute_names: Sequence[str],
        category_attributes: Sequence[str],
        fc_dims: int = 256,
        gradient_scale: float = 0.1,
        **kwargs,
    ):
        """Makes the layers.

        Args:
            attribute_names: One for each logit.
            category_attributes: As FashionMaskRCNN.category_attributes.
            fc_dims: Width of the hidden layer.
            gradient_scale: Share of the gradient that the crops get.
            **kwargs: Of a Keras layer.
        """
        super().__init__(**kwargs)
        self.attribute_names = tuple(attribute_names)
        self._possible = _possible(len(self.attribute_names), category_attributes)
        self._gradient_scale = gradient_scale
        self._hidden = tf_keras.layers.Dense(fc_dims, name="attribute-fc")
        # Levels' features differ in size: without it a learning rate that trains boxes kills units.
        self._norm = tf_keras.layers.LayerNormalization(name="attribute-norm")
        self._scores = tf_keras.layers.Dense(
            len(self.attribute_names),
            kernel_initializer=tf_keras.initializers.RandomNormal(stddev=0.01),
            bias_initializer=tf_keras.initializers.Constant(-math.log((1 - _PRIOR) / _PRIOR)),
            name="attribute-scores",
        )

    def call(self, crops: tf.Tensor) -> tf.Tensor:
        """float [num, rows, columns, channels] -> float32 logits [num, num_attributes]."""
        share = self._gradient_scale
        crops = share * crops + (1 - share) * tf.stop_gradient(crops)
        flat = tf.reshape(crops, [-1, math.prod(crops.shape[1:])])
        hidden = tf.nn.relu(self._norm(self._hidden(flat)))
        return tf.cast(self._scores(hidden), tf.float32)

    def possible(self, class_ids: tf.Tensor) -> tf.Tensor:
        """Which attributes instances can have by their category: int [...] -> bool [..., num]."""
        if self._possible is None:
            return tf.ones([*tf.unstack(tf.shape(class_ids)), len(self.attribute_names)], tf.bool)
        return tf.gather(tf.constant(self._possible), tf.maximum(class_ids, 0))


def _possible(num_attributes: int, category_attributes: Sequence[str]) -> np.ndarray | None:
    """bool [num_classes, num_attributes], background first; None where any can have all."""
    if not category_attributes:
        return None
    table = np.zeros((1 + len(category_attributes), num_attributes), bool)
    for class_id, positions in enumerate(category_attributes, start=1):
        table[class_id, [int(one) for one in positions.split("_") if one]] = True
    return table


def with_photo(features: dict[str, tf.Tensor], images: tf.Tensor) -> dict[str, tf.Tensor]:
    """A pyramid with the photo, shrunk to each level, as three more channels.

    Args:
        features: By level, [batch, rows, columns, channels].
        images: float [batch, height, width, 3], normalised, as the network sees them.

    Returns:
        By level, [batch, rows, columns, channels + 3].
    """
    both, photo, side = {}, images, 1
    for level in sorted(features, key=int):
        factor, side = 2 ** int(level) // side, 2 ** int(level)
        photo = tf.nn.avg_pool2d(photo, factor, factor, "SAME")
        both[level] = tf.concat([features[level], tf.cast(photo, features[level].dtype)], -1)
    return both


def head_of(model: tf_keras.Model) -> AttributeHead | None:
    """A Mask R-CNN's attribute head; None where it has none, as models of others."""
    return getattr(model, "attribute_head", None)


def add_attribute_head(model: tf_keras.Model, task_config) -> None:
    """Gives a Mask R-CNN the attribute `attribute_head`, built; None where the config has none."""
    config = task_config.attribute_head
    model.attribute_head = None
    if not config.enabled:
        return
    head = AttributeHead(
        task_config.attribute_names,
        task_config.category_attributes,
        config.fc_dims,
        config.gradient_scale,
        name="attribute_head",
    )
    size = model.roi_aligner.get_config()["crop_size"]
    channels = next(iter(model.decoder.output_specs.values()))[-1]
    head(tf.zeros([1, size, size, channels + _COLOURS]))
    model.attribute_head = head
