"""A SavedModel that counts: each image is the text of how many seconds it takes."""

import tensorflow as tf


class SlowModel(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def wait(self, image_bytes):
        seconds = tf.reduce_sum(tf.strings.to_number(image_bytes))
        start = tf.timestamp()

        def busy(_):
            tiny = tf.random.uniform([200, 200])
            with tf.control_dependencies([tf.matmul(tiny, tiny)]):
                return (tf.timestamp() - start,)

        elapsed = tf.while_loop(
            lambda elapsed: elapsed < tf.cast(seconds, tf.float64),
            busy,
            (tf.zeros([], tf.float64),),
        )
        return {"elapsed": tf.fill(tf.shape(image_bytes), elapsed[0])}


def export(path):
    """Writes the SavedModel."""
    model = SlowModel()
    tf.saved_model.save(model, str(path), signatures={"serving_default": model.wait})
