"""Models in the box: small enough to come with the package. Imports no TensorFlow."""
