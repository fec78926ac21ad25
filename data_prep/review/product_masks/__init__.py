"""The page on which automatic masks of single products are judged (data_prep.auto_mask)."""
