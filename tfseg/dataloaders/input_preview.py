"""A sheet of training examples as the network is given them: what augmentation does to them."""

import math
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf
from official.vision.ops import preprocess_ops
from pycocotools import mask as coco_mask

from tfseg.dataloaders.maskrcnn_input import TrainInput
from tfseg.structures import visualize
from tfseg.structures.detections import Detections

_COLUMNS, _NUM_EXAMPLES = 6, 24


def write_sheet(train_input: TrainInput, path: str, num_examples: int = _NUM_EXAMPLES) -> None:
    """Draws the first examples of a training, with their boxes and masks, into one picture.

    Args:
        train_input: Of the training.
        path: A .png or .jpg.
        num_examples: How many.

    Raises:
        ValueError: The picture cannot be written there.
    """
    dataset = tf.data.Dataset.range(num_examples).map(train_input.example_at)
    names = train_input.task_config.category_names
    tiles = [draw_example(image, labels, names) for image, labels in dataset]
    height, width = tiles[0].shape[:2]
    columns = min(_COLUMNS, num_examples)
    sheet = np.full((math.ceil(num_examples / columns) * height, columns * width, 3), 255, np.uint8)
    for index, tile in enumerate(tiles):
        y, x = index // columns * height, index % columns * width
        sheet[y : y + height, x : x + width] = tile
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    try:
        written = cv2.imwrite(path, sheet[..., ::-1])
    except cv2.error:
        written = False
    if not written:
        raise ValueError(f"--preview_input={path}: cannot be written; expected a .png or .jpg.")


def draw_example(image, labels, category_names) -> np.ndarray:
    """Draws one example of input_pipeline with its boxes and masks, as uint8 [height, width, 3]."""
    mean, deviation = np.array(preprocess_ops.MEAN_NORM), np.array(preprocess_ops.STDDEV_NORM)
    normalised = np.asarray(image, np.float32)
    pixels = (np.clip(normalised * deviation + mean, 0, 1) * 255).astype(np.uint8)
    height, width = pixels.shape[:2]
    class_ids = labels["gt_classes"].numpy()
    shown = class_ids > 0
    boxes = labels["gt_boxes"].numpy()[shown]
    masks = labels["gt_masks"].numpy()[shown].astype(np.float32)
    detections = Detections(
        boxes_yxyx=boxes,
        scores=np.ones(len(boxes), np.float32),
        category_ids=class_ids[shown],
        category_names=tuple(category_names[one - 1] for one in class_ids[shown]),
        rles=tuple(
            _rle_of_crop(crop, box, (height, width)) for crop, box in zip(masks, boxes, strict=True)
        ),
        image_size_hw=(height, width),
    )
    return visualize.draw_detections(pixels, detections, show_scores=False)


def _rle_of_crop(crop: np.ndarray, box_yxyx: np.ndarray, size_hw: tuple[int, int]) -> dict:
    """Puts the crop of a mask into its box and encodes the whole as COCO RLE."""
    ymin, xmin, ymax, xmax = np.round(box_yxyx).astype(int)
    ymax, xmax = max(ymax, ymin + 1), max(xmax, xmin + 1)
    mask = np.zeros(size_hw, np.uint8, order="F")
    resized = cv2.resize(crop, (int(xmax - xmin), int(ymax - ymin)))
    room = mask[ymin:ymax, xmin:xmax]
    room[...] = (resized >= 0.5)[: room.shape[0], : room.shape[1]]
    rle = coco_mask.encode(mask)
    return {"size": rle["size"], "counts": rle["counts"].decode("ascii")}
