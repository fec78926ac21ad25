"""Product photos with masks."""

RAW_PATH_FLAGS = {
    "annotations": "The COCO json, such as auto_mask writes.",
    "photos_dir": "The folder that the json's file_name are relative to.",
}
CHOICE_FLAGS = {
    "categories": (
        ("modanet", "own"),
        "product: ModaNet's 13 by a table of shops' names (datasets/product/labels.csv), or the "
        "folders' or json's own.",
    ),
    "only_good": (
        ("no", "yes"),
        "product: leave out masks that are unsure and that nobody has accepted.",
    ),
}
