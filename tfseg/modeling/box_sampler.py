"""The layer that draws the proposals which the heads learn from, without hidden state."""

import threading

import tensorflow as tf
from official.vision.modeling.layers import box_sampler

from tfseg.modeling import model_garden_compat
from tfseg.ops.sampling import balanced_sample


class SeededBoxSampler(box_sampler.BoxSampler):
    """Draws the proposals that the heads learn from, by the seeds of the images of a batch.

    `seeds` (int32 [batch, 2]) is set before the model is called, in the thread that traces it:
    under a strategy each replica is traced in a thread of its own. So is `ignored` (bool
    [batch, candidates]), which candidates are not background.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._traced = threading.local()

    def set_seeds(self, seeds: tf.Tensor) -> None:
        """Sets the seeds that the next calls in this thread use."""
        self._traced.seeds = seeds

    def set_ignored(self, ignored: tf.Tensor | None) -> None:
        """Sets the candidates that the next calls in this thread do not take for background."""
        self._traced.ignored = ignored

    def call(self, positive_matches, negative_matches, ignored_matches):
        """See BoxSampler.call."""
        del ignored_matches  # neither positive nor negative
        ignored = getattr(self._traced, "ignored", None)
        if ignored is not None:
            negative_matches = negative_matches & ~ignored
        config = self.get_config()
        num_samples, fraction = config["num_samples"], config["foreground_fraction"]
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


def seed_roi_samplers(model) -> None:
    """Replaces the box samplers of a Mask R-CNN by seeded ones."""
    for roi_sampler in model.roi_sampler:
        config = model_garden_compat.get_box_sampler(roi_sampler).get_config()
        model_garden_compat.replace_box_sampler(roi_sampler, SeededBoxSampler(**config))


def seeded_samplers(model) -> list[SeededBoxSampler]:
    """The samplers that seed_roi_samplers put into a Mask R-CNN."""
    return [model_garden_compat.get_box_sampler(layer) for layer in model.roi_sampler]
