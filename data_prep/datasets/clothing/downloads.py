"""Where the clothing photos are published: in a public repository, without an account.

files.tsv.gz lists that commit's files (`git ls-tree -rl`): blob id, size, path. Its folders train,
validation and test divide the photos for classification; here they are one folder a category.
"""

from pathlib import Path

from data_prep.download.git_tree import github_tree

BUILT_AS = "product"
DOWNLOADS = (
    github_tree(
        "clothing-dataset-small",
        "alexeygrigorev/clothing-dataset-small",
        "11961516512414bf9f6c150a832cfd21b54a6b54",
        Path(__file__).with_name("files.tsv.gz"),
        left_out_folders=("train", "validation", "test"),
    ),
)
