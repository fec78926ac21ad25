"""Garments in photos: what each one is, and exactly where."""

import os

__version__ = "1.0.0"

# Keras 3, which nothing here uses, is a quarter of TensorFlow's start.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")


def __getattr__(name: str):
    """Imports what is asked for: a client of the server needs no TensorFlow."""
    if name == "Segmenter":
        from tfseg.segmenter import Segmenter

        return Segmenter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
