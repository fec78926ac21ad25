"""An exported model behind TensorFlow Serving's interface, its clients and its page."""

import os

# Keras 3, which nothing here uses, is a quarter of TensorFlow's start.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
