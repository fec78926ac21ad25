"""Pseudo-labels: a model's own confident predictions on photos without labels, to train on."""

MAIN_PATH_FLAG = "predictions"
RAW_PATH_FLAGS = {
    "predictions": "detections.json of tfseg.predict, made with a low --score_threshold.",
    "photos_dir": "The folder that its file_name are relative to.",
    "like": "Prepared data set to be mixed with: its categories are taken.",
    "leave_out": "Prepared data set whose photos, by file name, are left out: they have labels.",
    "tags": "tags.json, what is in which photo: a confident prediction of what is not is unsure.",
    "confident_scores": "thresholds.json: the least score of an instance, by category.",
}
CHOICE_FLAGS = {
    "all_tags_found": (
        ("no", "yes"),
        "pseudo: leave out photos where something that the tags name was not found at all.",
    ),
}
NUMBER_FLAGS = {
    "confident_score": (
        0.7,
        "pseudo: least score of an instance, where confident_scores has none.",
    ),
    "unsure_score": (0.1, "pseudo: least score of an ignore region; what is below it is nothing."),
    "tagged_score": (0.5, "pseudo: least score of an instance that the photo's tags name."),
}
