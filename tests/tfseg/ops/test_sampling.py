import numpy as np
import pytest


def sample(positives, negatives, num_samples, fraction, seed=(1, 2)):
    import tensorflow as tf

    from tfseg.ops.sampling import balanced_sample

    kinds = [tf.cast(kind, tf.bool) for kind in (positives, negatives)]
    indices, wanted = balanced_sample(*kinds, num_samples, fraction, tf.constant(seed))
    return indices.numpy().tolist(), wanted.numpy().tolist()


def test_balanced_sample_takes_its_share_of_positives_and_negatives_for_the_rest():
    positives = np.arange(100) < 40
    negatives = (np.arange(100) >= 40) & (np.arange(100) < 80)

    indices, wanted = sample(positives, negatives, 20, 0.25)

    assert len(set(indices)) == 20 and indices == sorted(indices)
    assert sum(index < 40 for index in indices) == 5
    assert max(indices) < 80 and all(wanted)


def test_balanced_sample_fills_missing_positives_with_negatives():
    indices, wanted = sample([0, 1, 0, 0, 0], [1, 0, 1, 1, 0], 4, 0.5)

    assert indices == [0, 1, 2, 3] and all(wanted)


def test_balanced_sample_tells_what_lies_beyond_both_kinds():
    indices, wanted = sample([1, 1, 1, 0], [0, 0, 0, 0], 4, 0.25)

    assert indices == [0, 1, 2, 3]
    assert sum(wanted) == 1 and not wanted[3]


def test_balanced_sample_draws_every_candidate_equally_often():
    counts = np.zeros(10)
    for seed in range(300):
        indices, _ = sample([1] * 5 + [0] * 5, [0] * 5 + [1] * 5, 4, 0.5, (seed, 7))
        counts[indices] += 1

    assert counts.sum() == 1200
    assert counts == pytest.approx(np.full(10, 120), abs=40)


def test_balanced_sample_follows_from_the_seed():
    everything = ([1] * 20 + [0] * 20, [0] * 20 + [1] * 20, 8, 0.5)

    assert sample(*everything, (1, 2)) == sample(*everything, (1, 2))
    assert sample(*everything, (1, 2)) != sample(*everything, (1, 3))


@pytest.mark.parametrize(
    "boxes",
    [
        [[4.0, 6.0, 40.0, 30.0], [30.0, 30.0, 62.0, 64.0]],
        [[4.0, 6.0, 40.0, 30.0], [4.0, 6.0, 40.0, 30.0], [60.0, 60.0, 62.0, 61.0]],
        np.zeros((0, 4), np.float32),
    ],
)
def test_rpn_targets_are_model_gardens_where_nothing_is_left_to_draw(boxes):
    import tensorflow as tf
    from official.vision.configs import maskrcnn
    from official.vision.ops import anchor

    from tfseg.ops.sampling import rpn_targets

    levels = anchor.build_anchor_generator(3, 4, 1, [0.5, 1.0, 2.0], 4.0)((64, 64))
    anchors = np.concatenate([level.numpy().reshape(-1, 4) for level in levels.values()])
    grids = [(*level.shape[:2], 3) for level in levels.values()]
    # Room for every positive and every negative.
    sizes = {"rpn_batch_size_per_im": 480, "rpn_fg_fraction": 0.5}
    boxes = tf.constant(boxes)

    scores, moves = rpn_targets(
        anchors, grids, boxes, maskrcnn.Parser(**sizes), tf.constant([1, 2])
    )
    stock_scores, stock_moves = anchor.RpnAnchorLabeler(**sizes).label_anchors(
        levels, boxes, tf.ones([len(boxes), 1])
    )

    flat = np.concatenate([np.ravel(level) for level in stock_scores.values()])
    np.testing.assert_array_equal(scores, flat)
    flat = np.concatenate([np.reshape(level, (-1, 4)) for level in stock_moves.values()])
    np.testing.assert_allclose(moves, flat, atol=1e-5)


def test_seeded_box_sampler_draws_by_image_not_by_place_in_the_batch():
    import tensorflow as tf

    from tfseg.modeling.box_sampler import SeededBoxSampler

    sampler = SeededBoxSampler(num_samples=6, foreground_fraction=0.5)
    positives = tf.constant([[True] * 10 + [False] * 10] * 2)

    def draw(seeds):
        sampler.set_seeds(tf.constant(seeds))
        return sampler(positives, ~positives, tf.zeros_like(positives)).numpy().tolist()

    assert draw([[1, 2], [3, 4]]) == draw([[3, 4], [1, 2]])[::-1]
