import numpy as np
import pytest

from tests.tfseg.drawn_examples import mask


def photo_of(masks):
    """A photo whose pixels tell which mask they are in: 0 outside, 100, 200, ... inside."""
    levels = sum(100 * (index + 1) * one.astype(int) for index, one in enumerate(masks))
    return np.repeat(np.uint8(levels)[..., np.newaxis], 3, axis=2)


def test_rotate_turns_photo_and_masks_alike():
    import tensorflow as tf

    from tfseg.dataloaders.augmentation import rotate

    drawn = mask((41, 41), 5, 18, 20, 23)
    image, masks = rotate(
        tf.constant(photo_of([drawn])),
        tf.constant(drawn[np.newaxis]),
        tf.constant(np.pi / 2, tf.float32),
    )

    # A quarter turn counter-clockwise takes what points up to the left.
    expected = mask((41, 41), 18, 5, 23, 20)
    assert masks.numpy()[0].tolist() == expected.tolist()
    assert (image.numpy()[..., 0] == 100).tolist() == expected.astype(bool).tolist()


def test_rotate_keeps_masks_on_their_pixels_at_any_angle():
    import tensorflow as tf

    from tfseg.dataloaders.augmentation import rotate

    drawn = mask((80, 60), 20, 15, 60, 40)
    bright = np.repeat(255 * drawn[..., np.newaxis], 3, axis=2)
    image, masks = rotate(tf.constant(bright), tf.constant(drawn[np.newaxis]), tf.constant(0.2))

    inside = image.numpy()[..., 0] > 127
    turned = masks.numpy()[0] > 0
    assert (inside & turned).sum() / (inside | turned).sum() > 0.97
    assert turned.sum() == pytest.approx(drawn.sum(), rel=0.03)


def pasted(scale, offset, chosen):
    import tensorflow as tf

    from tfseg.dataloaders.augmentation import paste

    base = [mask((12, 12), 0, 0, 6, 6), mask((12, 12), 8, 8, 12, 12)]
    other = [mask((6, 6), 0, 0, 3, 3), mask((6, 6), 3, 3, 6, 6)]
    other_photo = photo_of(other) + 5
    arguments = tf.nest.map_structure(
        tf.constant,
        [
            *(photo_of(base), np.stack(base), np.array([7, 8])),
            (other_photo, np.stack(other), np.array([1, 2])),
            *(np.float32(scale), np.float32(offset), np.array(chosen)),
        ],
    )
    image, masks, classes = paste(*arguments)
    return image.numpy()[..., 0], masks.numpy(), classes.numpy().tolist()


def test_paste_draws_the_chosen_instances_and_takes_away_what_they_cover():
    image, masks, classes = pasted(1.0, [4.0, 4.0], [True, False])

    assert classes == [7, 8, 1]
    assert masks[2].tolist() == mask((12, 12), 4, 4, 7, 7).tolist()
    assert masks[0].tolist() == (mask((12, 12), 0, 0, 6, 6) * (1 - masks[2])).tolist()
    assert masks[1].tolist() == mask((12, 12), 8, 8, 12, 12).tolist()
    assert image[4:7, 4:7].tolist() == [[105] * 3] * 3
    assert image[:4, :4].tolist() == [[100] * 4] * 4


def test_paste_scales_and_drops_what_is_covered_or_outside():
    image, masks, classes = pasted(2.0, [2.0, 2.0], [True, True])

    # The second lands on 8..14: it covers all of the base's second instance.
    assert classes == [7, 1, 2]
    assert masks[1].tolist() == mask((12, 12), 2, 2, 8, 8).tolist()
    assert masks[2].tolist() == mask((12, 12), 8, 8, 12, 12).tolist()
    assert (image[9:, 9:] == 205).all()  # beside it, colours blend


def test_random_paste_pastes_into_its_share_of_photos():
    import tensorflow as tf

    from tfseg.dataloaders.augmentation import Augmentation, random_paste

    base = tf.zeros([8, 8, 3], tf.uint8), tf.zeros([0, 8, 8], tf.uint8), tf.zeros([0], tf.int64)
    other = tf.ones([8, 8, 3], tf.uint8), tf.ones([1, 8, 8], tf.uint8), tf.ones([1], tf.int64)
    config = Augmentation(copy_paste_probability=0.3, copy_paste_instances=1.0)

    @tf.function
    def num_instances(seed):
        return tf.size(random_paste(*base, lambda chosen: other, config, seed)[2])

    counts = [int(num_instances(tf.constant([seed, 1]))) for seed in range(200)]
    assert sum(counts) == pytest.approx(60, abs=20)


def test_change_colours_stays_in_range_and_follows_from_the_seed():
    import tensorflow as tf

    from tfseg.dataloaders.augmentation import Augmentation, change_colours

    image = tf.random.stateless_uniform([9, 7, 3], [1, 2], 0, 255)
    config = Augmentation(brightness=0.5, contrast=0.5, saturation=0.5)
    seeds = ([1, 1], [1, 1], [2, 1])
    changed = [change_colours(image, config, tf.constant(seed)).numpy() for seed in seeds]

    assert min(one.min() for one in changed) >= 0 and max(one.max() for one in changed) <= 255
    assert (changed[0] == changed[1]).all() and not (changed[0] == changed[2]).all()
    assert not np.allclose(changed[0], image, atol=5)


def test_change_colours_leaves_a_photo_alone_by_default():
    import tensorflow as tf

    from tfseg.dataloaders.augmentation import Augmentation, change_colours

    image = tf.random.stateless_uniform([9, 7, 3], [1, 2], 0, 255)
    assert change_colours(image, Augmentation(), tf.constant([1, 1])) is image
