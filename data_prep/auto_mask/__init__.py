"""Masks of product photos, made without people."""
