"""The page that shows what is in a prepared data set."""
