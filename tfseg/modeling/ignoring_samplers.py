"""Layers that choose what the heads learn from, and pass over what lies in ignore regions.

Model Garden's layers take no such regions, so they are set before the model is called, in the
thread that traces it, as the box sampler's seeds are. Without regions the layers are Model
Garden's.
"""

import threading

import tensorflow as tf
from official.vision.modeling.layers import mask_sampler, roi_sampler

from tfseg.modeling import model_garden_compat
from tfseg.ops.ignore_regions import IGNORED_CLASS, lie_in_regions

# Of a mask target's pixels: nobody knows whether it is the instance's.
UNKNOWN_PIXEL = -1.0


class IgnoringROISampler(roi_sampler.ROISampler):
    """A ROISampler whose RoIs in ignore regions are not background.

    They are not drawn as negatives. Where too few others are left to fill the number of samples,
    they are drawn after all, with IGNORED_CLASS for a class, as is padding; the losses pass over
    them. Its box sampler is a SeededBoxSampler.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._traced = threading.local()

    def set_regions(self, regions: tf.Tensor | None) -> None:
        """Sets float32 [batch, num_regions, 4] yxyx of the next calls; None: there are none."""
        self._traced.regions = regions

    def call(self, boxes, gt_boxes, gt_classes, gt_outer_boxes=None):
        """See ROISampler.call."""
        regions = getattr(self._traced, "regions", None)
        sampler = model_garden_compat.get_box_sampler(self)
        if regions is None:
            sampler.set_ignored(None)
            return super().call(boxes, gt_boxes, gt_classes, gt_outer_boxes)
        candidates = boxes
        if self.get_config()["mix_gt_boxes"]:
            candidates = tf.concat([boxes, tf.cast(gt_boxes, boxes.dtype)], axis=1)
        sampler.set_ignored(lie_in_regions(candidates, regions))
        rois, *matched_boxes, classes, indices = super().call(
            boxes, gt_boxes, gt_classes, gt_outer_boxes
        )
        # Padding in place of proposals has no area, and lies nowhere.
        is_padding = tf.reduce_any(rois[..., 2:] <= rois[..., :2], axis=-1)
        unknown = (classes == 0) & (is_padding | lie_in_regions(rois, regions))
        classes = tf.where(unknown, tf.cast(IGNORED_CLASS, classes.dtype), classes)
        return (rois, *matched_boxes, classes, indices)


class IgnoringMaskSampler(mask_sampler.MaskSampler):
    """A MaskSampler whose targets are UNKNOWN_PIXEL where another, unsure thing may be."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._traced = threading.local()

    def set_unknown_pixels(self, unknown: tf.Tensor | None) -> None:
        """Sets float32 [batch, instances, height, width] in 0..1, as gt_masks; None: none."""
        self._traced.unknown = unknown

    def call(self, rois, matched_boxes, matched_classes, matched_indices, gt_masks):
        """See MaskSampler.call."""
        unknown = getattr(self._traced, "unknown", None)
        if unknown is None:
            return super().call(rois, matched_boxes, matched_classes, matched_indices, gt_masks)
        matched_classes = tf.maximum(matched_classes, 0)  # the head looks up a class's mask
        candidates = (rois, matched_boxes, matched_classes, matched_indices)
        rois, classes, targets = super().call(*candidates, gt_masks)
        *_, unknown_targets = super().call(*candidates, unknown)
        return rois, classes, tf.where(unknown_targets >= 0.5, UNKNOWN_PIXEL, targets)


def set_ignored(model, regions: tf.Tensor | None, unknown_pixels: tf.Tensor | None) -> None:
    """Tells the layers of a Mask R-CNN what the next calls in this thread pass over.

    Args:
        model: From factory.build_model.
        regions: See IgnoringROISampler.set_regions.
        unknown_pixels: See IgnoringMaskSampler.set_unknown_pixels.
    """
    for sampler in model.roi_sampler:
        sampler.set_regions(regions)
    if model.mask_sampler is not None:
        model.mask_sampler.set_unknown_pixels(unknown_pixels)
