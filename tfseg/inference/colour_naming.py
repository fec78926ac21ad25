"""Names garments' colours in graph, by the rule of structures.colour_terms; nothing is learnt."""

import tensorflow as tf

from tfseg.structures import colour_terms
from tfseg.structures.colour_terms import COLOUR_NAMES

_HIGHEST_UNNAMED = 0.49  # below the threshold of 0.5 from which an attribute is said


def colour_scores(rgb: tf.Tensor, mask_probs: tf.Tensor) -> tf.Tensor:
    """Scores each colour of garments: from 0.5 on where the garment is named so.

    That is 0.5 and half of the colour's share of the cells for a name that
    colour_terms.colours_of_pixels gives, half of the share for any other. The mask's outermost
    cells do not count, unless that leaves less than a quarter.

    Args:
        rgb: float32 [num_garments, rows, columns, 3], 0 to 255, the photo in the mask's cells.
        mask_probs: float32 [num_garments, rows, columns], 0..1.

    Returns:
        float32 [num_garments, 11], in the order of COLOUR_NAMES, 0..1; 0 where the mask is empty.
    """
    levels = tf.cast(tf.clip_by_value(rgb, 0.0, 255.0), tf.int32) // 8
    rows = levels[..., 0] * 1024 + levels[..., 1] * 32 + levels[..., 2]
    terms = tf.gather(tf.constant(colour_terms.term_table()), rows)
    of_term = tf.one_hot(tf.cast(terms, tf.int32), len(COLOUR_NAMES))
    of_term *= _inner_cells(mask_probs)[..., None]
    counts = tf.reduce_sum(of_term, axis=[1, 2])
    shares = tf.math.divide_no_nan(counts, tf.reduce_sum(counts, axis=1, keepdims=True))
    hues = tf.gather(tf.constant(colour_terms.hue_table()), rows)
    hues = tf.einsum("nrct,nrcd->ntd", of_term, hues)
    hues = tf.math.divide_no_nan(hues, counts[..., None])
    is_named = _named(shares, hues)
    return tf.where(is_named, 0.5 + shares / 2, tf.minimum(shares / 2, _HIGHEST_UNNAMED))


def _inner_cells(mask_probs: tf.Tensor) -> tf.Tensor:
    """The mask's cells that have only cells of the mask around them, float32, 0 or 1."""
    mask = tf.cast(mask_probs >= 0.5, tf.float32)
    outside = tf.pad(1.0 - mask, [[0, 0], [1, 1], [1, 1]], constant_values=1.0)
    inner = 1.0 - tf.nn.max_pool2d(outside[..., None], 3, 1, "VALID")[..., 0]
    is_thin = 4 * tf.reduce_sum(inner, axis=[1, 2]) < tf.reduce_sum(mask, axis=[1, 2])
    return tf.where(is_thin[:, None, None], mask, inner)


def _named(shares: tf.Tensor, hues: tf.Tensor) -> tf.Tensor:
    """colours_of_pixels of shares [num, 11] and mean hues [num, 11, 2]: bool [num, 11]."""
    black, white, grey = (COLOUR_NAMES.index(name) for name in ("black", "white", "grey"))
    shares_of_both, both = tf.math.top_k(shares, 2)
    first, second = both[:, 0], both[:, 1]

    def among(colours: tf.Tensor, *wanted: int) -> tf.Tensor:
        return tf.reduce_any(colours[..., None] == tf.constant(wanted), axis=-1)

    is_pair = shares_of_both[:, 1] > colour_terms.SECOND_SHARE
    is_pair &= ~(among(first, grey) & among(second, black, white))
    is_pair &= ~(among(second, grey) & among(first, black, white))
    # A tone and a hue: the tone may be the hue's shade.
    first_is_tone, second_is_tone = among(first, black, grey), among(second, black, grey)
    tone = tf.where(first_is_tone, first, second)
    hue = tf.where(first_is_tone, second, first)
    is_mixed = is_pair & (first_is_tone != second_is_tone) & ~among(hue, white)
    tone_ab, hue_ab = (tf.gather(hues, one, batch_dims=1) for one in (tone, hue))
    tone_chroma, hue_chroma = tf.norm(tone_ab, axis=1), tf.norm(hue_ab, axis=1)
    lean = tf.math.divide_no_nan(tf.reduce_sum(tone_ab * hue_ab, axis=1), hue_chroma)
    least = tf.maximum(
        colour_terms.SHADE_LEAN * hue_chroma, colour_terms.SHADE_COSINE * tone_chroma
    )
    is_shade = is_mixed & (lean >= least)
    of_tone, of_hue = (tf.gather(shares, one, batch_dims=1) for one in (tone, hue))
    is_hue = of_hue >= colour_terms.SHADE_OUTWEIGHS * of_tone
    only = tf.where(is_shade, tf.where(is_hue, hue, tone), first)
    named = tf.one_hot(only, len(COLOUR_NAMES), on_value=True, off_value=False)
    also = tf.one_hot(second, len(COLOUR_NAMES), on_value=True, off_value=False)
    return (named | (also & (is_pair & ~is_shade)[:, None])) & (shares > 0)
