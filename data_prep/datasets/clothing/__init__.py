"""3,781 phone photos of single garments (CC0): downloaded here, built as `product`."""
