"""Annotations from one tool's format to another's: masks and categories of photos."""
