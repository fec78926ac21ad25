"""The page on which people judge automatic masks."""
