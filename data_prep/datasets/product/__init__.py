"""Product photos with masks."""

RAW_PATH_FLAGS = {
    "annotations": "The COCO json, such as auto_mask writes.",
    "photos_dir": "The folder that the json's file_name are relative to.",
}
