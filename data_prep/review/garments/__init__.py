"""The page that corrects a model's garments, several a photo (tfseg.predict --review_dir)."""
