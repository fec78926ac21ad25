"""Which anchors and proposals a training step learns from, drawn without hidden state.

Model Garden draws them with tf.random.shuffle, whose state no checkpoint holds: a resumed training
would see other samples than an uninterrupted one. Here every draw follows from a seed that comes
with the image (order of the data, step), so a run can be repeated and resumed exactly. It is also
cheaper: one top-k instead of products with one-hot matrices.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfseg.ops.ignore_regions import lie_in_regions


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


def rpn_targets(
    anchors: np.ndarray,
    grids: Sequence[tuple[int, int, int]],
    boxes: tf.Tensor,
    parser_config,
    seed: tf.Tensor,
    regions: tf.Tensor | None = None,
):
    """Labels anchors for the region proposal network, as Model Garden's RpnAnchorLabeler does.

    Args:
        anchors: float32 [num_anchors, 4] yxyx, input pixels; level after level.
        grids: Each level's rows, columns and anchors a cell, in this order within anchors.
        boxes: float32 [num_boxes, 4] yxyx, the instances' in input pixels; may be empty.
        parser_config: Its rpn_* thresholds, number of samples and share of positives.
        seed: int32 [2].
        regions: float32 [num_regions, 4] yxyx, input pixels: anchors that lie there are no
            negatives; None: nowhere.

    Returns:
        int32 [num_anchors]: 1 for a sampled positive, 0 for a sampled negative, -1 for the rest.
        float32 [num_anchors, 4]: what every positive, sampled or not, has to be moved by (dy, dx,
        dh, dw; 1506.01497, section 3.1.2); 0 for the rest.
    """
    num_anchors, num_boxes = len(anchors), tf.shape(boxes)[0]
    best, rows = _best_overlaps(boxes, anchors, grids)
    # Every box has its best anchor, whatever its overlap; the first box wins.
    forced = tf.fill([num_anchors], num_boxes)
    forced = tf.tensor_scatter_nd_min(forced, rows[:, tf.newaxis], tf.range(num_boxes))
    is_forced = forced < num_boxes
    positives = is_forced | (best >= parser_config.rpn_match_threshold)
    negatives = ~is_forced & (best < parser_config.rpn_unmatched_threshold)
    if regions is not None:
        negatives &= ~lie_in_regions(tf.constant(anchors), regions)
    num_samples = min(parser_config.rpn_batch_size_per_im, num_anchors)
    chosen, wanted = balanced_sample(
        positives, negatives, num_samples, parser_config.rpn_fg_fraction, seed
    )
    chosen = tf.boolean_mask(chosen, wanted)
    labels = tf.where(tf.gather(positives, chosen), 1, 0)
    scores = tf.tensor_scatter_nd_update(tf.fill([num_anchors], -1), chosen[:, tf.newaxis], labels)
    indices = tf.where(positives)
    positive_anchors = tf.gather_nd(tf.constant(anchors), indices)
    ious = _ious(tf.pad(boxes, [[0, 1], [0, 0]]), positive_anchors)  # there may be no box
    nearest = tf.argmax(ious, axis=0, output_type=tf.int32)
    forced = tf.gather(forced, indices[:, 0])
    matches = tf.where(forced < num_boxes, forced, nearest)
    moves = _moves(positive_anchors, tf.gather(boxes, matches))
    return scores, tf.scatter_nd(indices, moves, [num_anchors, 4])


def _best_overlaps(boxes, anchors: np.ndarray, grids) -> tuple[tf.Tensor, tf.Tensor]:
    """The largest IoU of each anchor, float32 [num_anchors], and each box's first best anchor.

    Anchors of one shape on a level overlap with a box by a height that depends on the row alone and
    a width that depends on the column: a third of the operations over all pairs.
    """
    # One box more, which overlaps with nothing: there may be no other.
    boxes = tf.pad(boxes, [[0, 1], [0, 0]])
    ymin, xmin, ymax, xmax = tf.split(boxes, 4, axis=1)
    box_areas = (ymax - ymin) * (xmax - xmin)
    best, values, indices, start = [], [], [], 0
    for rows, columns, num_shapes in grids:
        count = rows * columns * num_shapes
        level = anchors[start : start + count].reshape(rows, columns, num_shapes, 4)
        of_level = []
        for shape in range(num_shapes):
            top, bottom = level[:, 0, shape, 0], level[:, 0, shape, 2]
            left, right = level[0, :, shape, 1], level[0, :, shape, 3]
            areas = np.ravel((bottom - top)[:, np.newaxis] * (right - left))
            heights = tf.nn.relu(tf.minimum(bottom, ymax) - tf.maximum(top, ymin))
            widths = tf.nn.relu(tf.minimum(right, xmax) - tf.maximum(left, xmin))
            shared = heights[:, :, tf.newaxis] * widths[:, tf.newaxis]
            shared = tf.reshape(shared, [-1, rows * columns])
            ious = shared / (areas + box_areas - shared)
            of_level.append(tf.reduce_max(ious, axis=0))
            cells = tf.argmax(ious, axis=1, output_type=tf.int32)
            values.append(tf.gather(ious, cells, batch_dims=1))
            indices.append(start + cells * num_shapes + shape)
        best.append(tf.reshape(tf.stack(of_level, axis=1), [-1]))
        start += count
    values, indices = tf.stack(values), tf.stack(indices)
    is_best = values == tf.reduce_max(values, axis=0)
    first = tf.reduce_min(tf.where(is_best, indices, len(anchors)), axis=0)
    return tf.concat(best, 0), first[:-1]


def _ious(boxes: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """float32 [num_boxes, num_anchors], of boxes and anchors float32 [num, 4]."""
    low = tf.maximum(boxes[:, tf.newaxis, :2], anchors[:, :2])
    high = tf.minimum(boxes[:, tf.newaxis, 2:], anchors[:, 2:])
    shared = tf.reduce_prod(tf.nn.relu(high - low), axis=-1)
    areas, box_areas = (tf.reduce_prod(one[:, 2:] - one[:, :2], axis=1) for one in (anchors, boxes))
    return shared / (areas + box_areas[:, tf.newaxis] - shared)


def _moves(anchors: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
    sizes, box_sizes = anchors[:, 2:] - anchors[:, :2], boxes[:, 2:] - boxes[:, :2]
    shifts = (boxes[:, :2] + boxes[:, 2:] - anchors[:, :2] - anchors[:, 2:]) / 2
    return tf.concat([shifts / sizes, tf.math.log(box_sizes / sizes)], axis=1)
