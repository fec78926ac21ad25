"""tfseg.train with boxes rounded as Keras's mixed precision rounds them for the samplers.

Proposals and true boxes come to the samplers with bfloat16's 8 bits, while the network goes on
computing in float32: what the rounding of boxes alone costs. For recipe_choices.
"""

import runpy

import tensorflow as tf

from tfseg.modeling import ignoring_samplers


def _rounded(tensor):
    is_float = isinstance(tensor, tf.Tensor) and tensor.dtype == tf.float32
    return tf.cast(tf.cast(tensor, tf.bfloat16), tf.float32) if is_float else tensor


def _rounding(call):
    def called(self, *inputs, **named):
        named.pop("training", None)  # Keras gives it to whatever takes any name
        return call(self, *map(_rounded, inputs), **{k: _rounded(v) for k, v in named.items()})

    return called


if __name__ == "__main__":
    for sampler in (ignoring_samplers.IgnoringROISampler, ignoring_samplers.IgnoringMaskSampler):
        sampler.call = _rounding(sampler.call)
    runpy.run_module("tfseg.train", run_name="__main__", alter_sys=True)
