"""Fashionpedia 2020: 46 categories of garments and their parts, 294 attributes."""
