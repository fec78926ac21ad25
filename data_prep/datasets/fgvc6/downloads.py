"""Where iMaterialist Fashion 2019 (FGVC6) is published: on Kaggle alone, without checksums."""

from data_prep.download.kaggle import KaggleFiles

DOWNLOADS = (
    KaggleFiles(
        competition="imaterialist-fashion-2019-FGVC6",
        entries=("test", "train", "sample_submission.csv", "label_descriptions.json", "train.csv"),
    ),
)
