"""How well a perfect mask head could do: true masks -> training targets -> pasted -> IoU.

python -m tests.benchmarks.mask_targets --data_dir=PREPARED --split=val --num_examples=25

Prints the mean IoU of Model Garden's stock targets and of ours
(tfseg.dataloaders.train_targets.centre_gt_masks).
"""

import numpy as np
import tensorflow as tf
from absl import app, flags
from official.vision.dataloaders import tf_example_decoder
from official.vision.ops import spatial_transform_ops
from pycocotools import mask as coco_mask

from data_prep import prepared
from tests.benchmarks import pasted_masks
from tfseg.dataloaders import train_targets

FLAGS = flags.FLAGS
TARGET_SIZE = 28
CROP_SIZE = 112


def target_ious(example: dict, centred: bool) -> list[float]:
    """Returns the IoU of each true mask and what is pasted from its own targets."""
    masks, boxes = example["groundtruth_instance_masks"], example["groundtruth_boxes"]
    num_masks, height, width = masks.shape
    crops = tf.image.crop_and_resize(
        masks[..., None], boxes, tf.range(num_masks), [CROP_SIZE, CROP_SIZE]
    )[None, ..., 0]
    crops = train_targets.centre_gt_masks(crops) if centred else crops
    boxes_yxyx = tf.cast(boxes * [height, width, height, width], tf.float32)
    targets = spatial_transform_ops.crop_mask_in_target_box(
        crops, boxes_yxyx[None], boxes_yxyx[None], TARGET_SIZE, sample_offset=0.5
    )[0]
    rles = pasted_masks.rle_from_box_masks(
        tf.cast(targets, tf.float32), boxes_yxyx, tf.tile([[height, width]], [num_masks, 1])
    )
    ious = []
    for mask, counts in zip(masks.numpy(), rles.numpy(), strict=True):
        true_rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        pasted_rle = {"size": [height, width], "counts": counts}
        ious.append(float(coco_mask.iou([pasted_rle], [true_rle], [0])[0, 0]))
    return ious


def main(_) -> None:
    """Reads the flags and prints the comparison."""
    paths = prepared.open_prepared(FLAGS.data_dir).record_paths(FLAGS.split)
    decoder = tf_example_decoder.TfExampleDecoder(include_mask=True)
    ious = {"stock": [], "ours": []}
    for record in tf.data.TFRecordDataset(paths).take(FLAGS.num_examples):
        example = decoder.decode(record)
        ious["stock"] += target_ious(example, centred=False)
        ious["ours"] += target_ious(example, centred=True)
    print(f"{len(ious['ours'])} masks of {FLAGS.num_examples} photos, mean IoU with the truth:")
    for name, values in ious.items():
        print(
            f"  {name:6} {np.mean(values):.3f}   worst tenth below {np.percentile(values, 10):.3f}"
        )


if __name__ == "__main__":
    flags.DEFINE_string("data_dir", None, "Folder with the prepared data set.", required=True)
    flags.DEFINE_string("split", "val", "Split to read.")
    flags.DEFINE_integer("num_examples", 25, "How many photos.")
    app.run(main)
