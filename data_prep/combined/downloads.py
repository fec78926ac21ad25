"""What the two public sets publish, as --raw_dir of the combined set has them."""

from dataclasses import replace

from data_prep.fgvc6.downloads import DOWNLOADS as FGVC6_DOWNLOADS
from data_prep.modanet.downloads import DOWNLOADS as MODANET_DOWNLOADS

DOWNLOADS = (
    *MODANET_DOWNLOADS,
    *(replace(files, folder="fgvc6") for files in FGVC6_DOWNLOADS),
)
