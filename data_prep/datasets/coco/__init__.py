"""A data set of the user's own in COCO's json format."""

RAW_PATH_FLAGS = {
    "annotations": "The COCO json.",
    "photos_dir": "The folder that the json's file_name are relative to.",
}
CHOICE_FLAGS = {
    "crowds": (
        ("ignore", "instances"),
        "coco: what iscrowd: 1 is: COCO's region of a group, or a garment like any other, as "
        "drawing tools mean it.",
    ),
    "splits": (
        ("given", "hash"),
        "coco: where each json is a split's, keep that, or divide all photos anew.",
    ),
}
