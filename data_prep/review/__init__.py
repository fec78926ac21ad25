"""Pages on which people judge and correct what models and auto_mask found."""
