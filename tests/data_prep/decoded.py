"""Prepared records as Model Garden's own decoder sees them."""

import tensorflow as tf
from official.vision.dataloaders.tf_example_decoder import TfExampleDecoder

from data_prep.prepared import open_prepared


def decode(data_dir, split) -> dict[int, dict]:
    """By source id."""
    decoder = TfExampleDecoder(include_mask=True)
    records = tf.data.TFRecordDataset(open_prepared(data_dir).record_paths(split))
    decoded = [decoder.decode(record) for record in records]
    return {
        int(example["source_id"].numpy()): {key: t.numpy() for key, t in example.items()}
        for example in decoded
    }


def features(data_dir, split) -> dict[int, dict]:
    """The plain tf.train.Example values, by source id; those that no decoder knows too."""
    paths = open_prepared(data_dir).record_paths(split)
    examples = (tf.train.Example.FromString(r.numpy()) for r in tf.data.TFRecordDataset(paths))
    by_id = {}
    for example in examples:
        values = {}
        for key, feature in example.features.feature.items():
            kind = feature.WhichOneof("kind")
            values[key] = list(getattr(feature, kind).value) if kind else []
        by_id[int(values["image/source_id"][0])] = values
    return by_id
