"""The layer that proposes regions, on the kernels of ops.nms."""

from official.vision.modeling.layers import roi_generator

from tfseg.ops.nms import propose


class QuickROIGenerator(roi_generator.MultilevelROIGenerator):
    """Model Garden's layer with the kernel of ops.nms, where that can do what the config wants."""

    def call(self, raw_boxes, raw_scores, anchor_boxes, image_shape, training=None):
        """See MultilevelROIGenerator.call."""
        prefix = "" if training else "test_"
        config = self.get_config()
        if (
            config["use_batched_nms"]
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
