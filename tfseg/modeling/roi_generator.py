"""The layer that proposes regions, in float32 whatever the network computes in."""

import tensorflow as tf
from official.vision.modeling.layers import roi_generator

from tfseg.ops.nms import propose


class Float32ROIGenerator(roi_generator.MultilevelROIGenerator):
    """Model Garden's layer, given float32: bfloat16 moves a small box by a tenth of its side."""

    def __init__(self, quick: bool = False, **config):
        """Makes the layer.

        Args:
            quick: Use the kernel of ops.nms, where that can do what the config wants.
            **config: MultilevelROIGenerator's.
        """
        super().__init__(**config, autocast=False)
        self._quick = quick

    def call(self, raw_boxes, raw_scores, anchor_boxes, image_shape, training=None):
        """See MultilevelROIGenerator.call."""
        raw_boxes, raw_scores, anchor_boxes, image_shape = tf.nest.map_structure(
            lambda tensor: tf.cast(tensor, tf.float32),
            (raw_boxes, raw_scores, anchor_boxes, image_shape),
        )
        prefix = "" if training else "test_"
        config = self.get_config()
        if (
            not self._quick
            or config["use_batched_nms"]
            or config[f"{prefix}pre_nms_score_threshold"] > 0
            or config[f"{prefix}pre_nms_min_size_threshold"] > 0
            or config[f"{prefix}nms_iou_threshold"] <= 0
        ):
            return super().call(raw_boxes, raw_scores, anchor_boxes, image_shape, training)
        return propose(
            raw_boxes,
            raw_scores,
            anchor_boxes,
            image_shape,
            num_proposals=config[f"{prefix}num_proposals"],
            pre_nms_top_k=config[f"{prefix}pre_nms_top_k"],
            nms_iou=config[f"{prefix}nms_iou_threshold"],
        )
