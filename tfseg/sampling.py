"""Which anchors and proposals a training step learns from, drawn without hidden state.

Model Garden draws them with tf.random.shuffle, whose state no checkpoint holds: a resumed training
would see other samples than an uninterrupted one. Here every draw follows from a seed that comes
with the image (order of the data, step), so a run can be repeated and resumed exactly. It is also
cheaper: one top-k instead of products with one-hot matrices.
"""

import threading

import tensorflow as tf
from official.vision.modeling.layers import box_sampler
from official.vision.ops import anchor


def balanced_sample(
    positives: tf.Tensor,
    negatives: tf.Tensor,
    num_samples: int,
    positive_fraction: float,
    seed: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws at most a share of positives, and negatives for the rest.

    Args:
        positives: bool [num], candidates of the first kind.
        negatives: bool [num], of the second; no candidate is of both.
        num_samples: How many to draw; not more than num.
        positive_fraction: The largest share of positives, in [0, 1].
        seed: int32 [2].

    Returns:
        int32 [num_samples], distinct indices, ascending. Where the negatives do not suffice, more
        positives come in, then candidates of neither kind.
        bool [num_samples]: the drawn candidate is of either kind and within its share.
    """
    draws = tf.random.stateless_uniform(tf.shape(positives), seed)
    max_positives = int(num_samples * positive_fraction)
    # A positive's place among the positives, in the order of their draws.
    best = tf.math.top_k(tf.where(positives, draws, -1.0), k=min(max_positives + 1, num_samples))
    in_share = positives
    if max_positives < num_samples:
        in_share = positives & (draws > best.values[max_positives])
    tiers = tf.where(in_share, 3.0, tf.where(negatives, 2.0, tf.where(positives, 1.0, 0.0)))
    chosen = tf.sort(tf.math.top_k(tiers + draws, k=num_samples).indices)
    return chosen, tf.gather(tiers, chosen) >= 2.0


class RpnLabeler(anchor.RpnAnchorLabeler):
    """Model Garden's labels for the region proposal network, with draws that follow from a seed."""

    def __init__(self, seed: tf.Tensor, **kwargs):
        """Takes RpnAnchorLabeler's arguments, and an int32 [2] seed for one image."""
        super().__init__(**kwargs)
        self._seed = seed

    def _get_rpn_samples(self, match_results):
        positives, negatives = match_results > -1, tf.equal(match_results, -1)
        num_samples = min(self._rpn_batch_size_per_im, match_results.shape[0])
        indices, wanted = balanced_sample(
            positives, negatives, num_samples, self._rpn_fg_fraction, self._seed
        )
        indices = tf.boolean_mask(indices, wanted)
        drawn = tf.scatter_nd(
            indices[:, tf.newaxis], tf.ones_like(indices), tf.shape(match_results)
        )
        positive_labels = tf.where(positives, 2 * drawn, 0)
        negative_labels = tf.where(negatives, drawn, 0)
        return positive_labels + negative_labels - 1, positive_labels, negative_labels


class SeededBoxSampler(box_sampler.BoxSampler):
    """Draws the proposals that the heads learn from, by the seeds of the images of a batch.

    `seeds` (int32 [batch, 2]) is set before the model is called, in the thread that traces it:
    under a strategy each replica is traced in a thread of its own.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._traced = threading.local()

    def set_seeds(self, seeds: tf.Tensor) -> None:
        """Sets the seeds that the next calls in this thread use."""
        self._traced.seeds = seeds

    def call(self, positive_matches, negative_matches, ignored_matches):
        """See BoxSampler.call."""
        del ignored_matches  # neither positive nor negative
        num_samples = self._config_dict["num_samples"]
        fraction = self._config_dict["foreground_fraction"]
        return tf.stack(
            [
                balanced_sample(positives, negatives, num_samples, fraction, seed)[0]
                for positives, negatives, seed in zip(
                    tf.unstack(positive_matches),
                    tf.unstack(negative_matches),
                    tf.unstack(self._traced.seeds, num=positive_matches.shape[0]),
                    strict=True,
                )
            ]
        )


def seed_roi_samplers(model) -> list[SeededBoxSampler]:
    """Replaces the box samplers of a Mask R-CNN by seeded ones, and returns these."""
    samplers = []
    for roi_sampler in model.roi_sampler:
        sampler = SeededBoxSampler(**roi_sampler._sampler.get_config())
        roi_sampler._sampler = sampler
        samplers.append(sampler)
    return samplers
