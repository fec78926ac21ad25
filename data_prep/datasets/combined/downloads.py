"""What the two public sets publish, as --raw_dir of the combined set has them.

FGVC6's come first: a Kaggle token that is missing shows before 40 GB are loaded, not after.
"""

from dataclasses import replace

from data_prep.datasets.fgvc6.downloads import DOWNLOADS as FGVC6_DOWNLOADS
from data_prep.datasets.modanet.downloads import DOWNLOADS as MODANET_DOWNLOADS

DOWNLOADS = (
    *(replace(files, folder="fgvc6") for files in FGVC6_DOWNLOADS),
    *MODANET_DOWNLOADS,
)
