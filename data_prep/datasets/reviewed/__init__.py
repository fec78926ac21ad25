"""Photos of one's own: what a model predicted and a person accepted or corrected."""

MAIN_PATH_FLAG = "review_dir"
RAW_PATH_FLAGS = {
    "review_dir": "The folder of tfseg.predict --review_dir and data_prep.review --dir.",
}
