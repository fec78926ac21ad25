"""A data set of the user's own in COCO's json format."""

RAW_PATH_FLAGS = {
    "annotations": "The COCO json.",
    "photos_dir": "The folder that the json's file_name are relative to.",
}
