"""Product photos from search engines, lists of addresses and folders."""
