"""A model run on the photos of TFRecord shards, and those photos by image id."""

from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf
import tqdm

from tfseg.structures.detections import detections_from_outputs


def detect_records(
    detect: Callable, record_paths: Sequence[str], num_examples: int = 0, batch_size: int = 8
) -> tuple[list[int], list[dict]]:
    """Runs a model on the photos of TFRecord shards, with a progress bar.

    Args:
        detect: Takes encoded photos (list of bytes), gives serving_module.ServingModule's outputs
            as numpy arrays (detector.Detector.detect).
        record_paths: Shards of one split.
        num_examples: Stop after so many examples, in the order of the shards; 0 means all.
        batch_size: Photos a call.

    Returns:
        The image ids seen, and the COCO results of all their detections, in original pixels.

    Raises:
        ValueError: A photo cannot be decoded, or a shard is damaged.
    """
    image_ids, coco_results = [], []
    progress = tqdm.tqdm(
        unit="photo", total=num_examples or None, desc="detect", dynamic_ncols=True
    )
    with progress:
        for batch in _batches(read_photos(record_paths, num_examples), batch_size):
            outputs = detect([encoded for _, encoded in batch])
            for index, (image_id, _) in enumerate(batch):
                if not outputs["ok"][index]:
                    reason = outputs["error"][index].decode()
                    raise ValueError(f"image {image_id} of the data set: {reason}; build it again.")
                image_ids.append(image_id)
                detections = detections_from_outputs(outputs, index)
                coco_results += detections.to_coco_results(image_id, with_attribute_scores=True)
                progress.update()
    return image_ids, coco_results


def read_photos(record_paths: Sequence[str], num_examples: int = 0) -> Iterator[tuple[int, bytes]]:
    """Reads (image id, encoded photo) from TFRecord shards, in their order.

    Raises:
        ValueError: A shard is damaged.
    """
    features = {
        "image/encoded": tf.io.FixedLenFeature([], tf.string),
        "image/source_id": tf.io.FixedLenFeature([], tf.string),
    }
    records = tf.data.TFRecordDataset(record_paths)
    records = records.take(num_examples) if num_examples else records
    try:
        for record in records:
            example = tf.io.parse_single_example(record, features)
            yield int(example["image/source_id"].numpy()), example["image/encoded"].numpy()
    except tf.errors.DataLossError as error:
        raise ValueError(
            f"{record_paths[0]} or a shard beside it is damaged ({error.message}); build the data "
            "set again with --overwrite."
        ) from None


def _batches(values, size: int) -> Iterator[list]:
    batch = []
    for value in values:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
