"""Where ModaNet's annotations and PaperDoll's photos are published, with their checksums.

Sources: https://github.com/eBay/modanet (README and Git LFS pointers) and
https://github.com/kyamagu/paperdoll/tree/master/data/chictopia.
"""

from pathlib import Path

from data_prep.datasets.modanet.raw_files import PhotoStore
from data_prep.download.files import RemoteFile, Unpack

_MODANET = "https://github.com/eBay/modanet.git"
_PAPERDOLL = "https://github.com/kyamagu/paperdoll.git"


def _check_photos(folder: Path) -> None:
    PhotoStore(folder).check()


DOWNLOADS = (
    RemoteFile(
        path="modanet/annotations/modanet2018_instances_train.json",
        num_bytes=105_924_292,
        lfs_repository=_MODANET,
        urls=(
            "https://media.githubusercontent.com/media/eBay/modanet/master/annotations/"
            "modanet2018_instances_train.json",
        ),
        sha256="b8a3fd0dcfa8d6f209a0cef88cedd76decbf593bf47b4246504f681b7fb625af",
        md5="96478657d20e322e9d3282c6d73c0c4c",
    ),
    RemoteFile(
        path="modanet/annotations/modanet2018_instances_val.json",
        num_bytes=215_183,
        lfs_repository=_MODANET,
        urls=(
            "https://media.githubusercontent.com/media/eBay/modanet/master/annotations/"
            "modanet2018_instances_val.json",
        ),
        sha256="b7d2d3266b0594f3e16831008b58770334e375eb58fda0be141005c5fd4854d2",
        md5="900b24b7d6c0c48203e6244f45d65499",
    ),
    RemoteFile(
        path="paperdoll/chictopia.sql.gz",
        num_bytes=457_165_725,
        lfs_repository=_PAPERDOLL,
        urls=(
            "https://media.githubusercontent.com/media/kyamagu/paperdoll/master/data/chictopia/"
            "chictopia.sql.gz",
        ),
        sha256="ef37d22b04d30cc66888a93fdf4bedb88b7571876e8c6657a0d9ca118c0a59eb",
    ),
    RemoteFile(
        path="paperdoll/photos.lmdb.tar",
        num_bytes=40_000_000_000,
        is_exact=False,
        urls=(
            "https://s3-ap-northeast-1.amazonaws.com/kyamagu-public/chictopia2/photos.lmdb.tar",
            "http://vision.is.tohoku.ac.jp/chictopia2/photos.lmdb.tar",
        ),
        md5="a404789687fc3906d7d843942c802f53",
        unpack=Unpack("paperdoll/photos.lmdb", holds="data.mdb", check=_check_photos),
    ),
)
