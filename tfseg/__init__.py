"""Garments in photos: what each one is, and exactly where."""

__version__ = "1.0.0"


def __getattr__(name: str):
    """Imports what is asked for: a client of the server needs no TensorFlow."""
    if name == "Segmenter":
        from tfseg.segmenter import Segmenter

        return Segmenter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
