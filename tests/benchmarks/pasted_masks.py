"""Masks of boxes pasted into their photos, as the exported graph does it."""

import tensorflow as tf

from tfseg.ops import mask_rle


def rle_from_box_masks(mask_probs, boxes_yxyx, image_size_hw) -> tf.Tensor:
    """COCO's compressed RLE strings, string [num_masks]; arguments of run_lengths_of_box_masks."""
    return mask_rle.encode_run_lengths(
        mask_rle.run_lengths_of_box_masks(mask_probs, boxes_yxyx, image_size_hw)
    )
