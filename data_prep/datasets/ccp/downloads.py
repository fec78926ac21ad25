"""Where Clothing Co-Parsing is published: in a public repository, without an account.

files.tsv.gz lists that commit's files (`git ls-tree -rl`): blob id, size, path.
"""

from pathlib import Path

from data_prep.download.git_tree import github_tree

DOWNLOADS = (
    github_tree(
        "clothing-co-parsing",
        "bearpaw/clothing-co-parsing",
        "fe34fb77721a9973fbae92c05f7f12b664d10110",
        Path(__file__).with_name("files.tsv.gz"),
    ),
)
