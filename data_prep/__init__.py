"""Raw fashion data sets to sharded TFRecords, and the tools around them."""

import os

# Keras 3, which nothing here uses, is a quarter of TensorFlow's start.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
