"""The masks of a folder of product photos on disk: a journal, and the files made from it.

Every result and every decision is one line appended to masks.jsonl, so that a kill loses nothing;
the last line of a photo counts, and may say that it was removed. From the journal come
instances.json (COCO) and masks.csv (FGVC6's form).
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from data_prep.annotations import masks
from data_prep.auto_mask import masks_csv
from tfseg.io.atomic_files import write_whole
from tfseg.structures.detections import checked_counts
from tfseg.structures.review_predictions import is_share

JOURNAL_NAME = "masks.jsonl"
COCO_NAME = "instances.json"
CSV_NAME = "masks.csv"
LOCK_NAME = "masks.lock"
_PHOTOS_DIR_NAME = "photos_dir.txt"
_REMOVED = "is_removed"
PENDING, ACCEPTED, REJECTED = "pending", "accepted", "rejected"


@dataclass(frozen=True)
class ProductMask:
    """One product of a photo; counts is the string of its compressed COCO RLE."""

    category: str
    counts: str


@dataclass(frozen=True)
class PhotoMasks:
    """What is known of one photo.

    Attributes:
        file_name: relative to the folder of photos, with "/".
        height: as the photo is shown, pixels; 0 where it cannot be read.
        width: likewise.
        confidence: 0 to 1.
        products: empty where there is no clear one.
        reasons: why the confidence is not higher.
        review: "pending", "accepted" or "rejected".
        engine: what made the masks; "coco" for imported ones, "person" for touched-up ones.
        photo_state: the file's size (bytes) and time of change (ns); a photo with the same is not
            looked at again.
        photo_sha256: of the file, hex, which tells a changed photo from a copied one.
        error: why the photo cannot be read, else empty.
    """

    file_name: str
    height: int
    width: int
    confidence: float
    products: tuple[ProductMask, ...]
    reasons: tuple[str, ...] = ()
    review: str = PENDING
    engine: str = ""
    photo_state: tuple[int, int] = (0, 0)
    photo_sha256: str = ""
    error: str = field(default="", kw_only=True)

    @property
    def category(self) -> str:
        """The photo's folder."""
        return self.file_name.split("/")[0]

    def rles(self) -> list[dict]:
        """The masks as compressed COCO RLE."""
        size = [self.height, self.width]
        return [{"size": size, "counts": p.counts.encode()} for p in self.products]


class MaskStore:
    """The journal of a folder; use as a context manager.

    Args:
        out_dir: made where it is missing.

    Attributes:
        photos: by file name.

    Raises:
        ValueError: The journal is damaged other than by a kill.
    """

    def __init__(self, out_dir: Path):
        self.out_dir = out_dir
        self.photos: dict[str, PhotoMasks] = {}
        out_dir.mkdir(parents=True, exist_ok=True)
        path = out_dir / JOURNAL_NAME
        if path.is_file():
            self.photos, num_whole = _read_journal(path)
            os.truncate(path, num_whole)  # what a kill within a write left
        self._journal = path.open("a", encoding="utf-8")

    def __enter__(self) -> "MaskStore":
        return self

    def __exit__(self, *_) -> None:
        self._journal.close()

    def add(self, photo: PhotoMasks, sync: bool = False) -> None:
        """Appends what is known of a photo; sync waits until the disk has it."""
        self._append(asdict(photo))
        if sync:
            os.fsync(self._journal.fileno())
        self.photos[photo.file_name] = photo

    def remove(self, name: str) -> None:
        """Forgets a photo, for good."""
        self._append({"file_name": name, _REMOVED: True})
        del self.photos[name]

    def set_photos_dir(self, photos_dir: Path) -> None:
        """Notes where the photos lie."""
        where = os.fsencode(photos_dir.resolve()) + b"\n"
        write_whole(self.out_dir / _PHOTOS_DIR_NAME, where, "where the photos are")

    def noted_photos_dir(self) -> Path | None:
        """Where the photos lay when they were masked; None: not known."""
        noted = self.out_dir / _PHOTOS_DIR_NAME
        return Path(os.fsdecode(noted.read_bytes().rstrip(b"\n"))) if noted.is_file() else None

    def photos_dir(self) -> Path:
        """Where the photos lie.

        Raises:
            ValueError: It is not known, or they are not there.
        """
        photos_dir = self.noted_photos_dir()
        if photos_dir is None or not photos_dir.is_dir():
            raise ValueError(
                f"{self.out_dir}: the photos are not at {photos_dir}; give --photos_dir."
            )
        return photos_dir

    def usable(self) -> list[PhotoMasks]:
        """The photos that can be read, by name."""
        return usable(self.photos)

    def category_names(self) -> list[str]:
        """Of the photos' folders and of all products, sorted."""
        names = {photo.category for photo in self.usable()}
        names |= {product.category for photo in self.usable() for product in photo.products}
        return sorted(names)

    def write(self) -> None:
        """Writes instances.json and masks.csv anew, whole or not at all."""
        write_whole(self.out_dir / COCO_NAME, json.dumps(self.coco()), "the masks")
        kept = [photo for photo in self.usable() if photo.review != REJECTED]
        table = masks_csv.table(kept, self.category_names())
        write_whole(self.out_dir / CSV_NAME, table, "the masks")

    def coco(self) -> dict:
        """The masks as a COCO json; rejected photos are in it, marked."""
        category_ids = {name: i for i, name in enumerate(self.category_names(), start=1)}
        images: list[dict] = []
        annotations: list[dict] = []
        for image_id, photo in enumerate(self.usable(), start=1):
            images.append(
                {
                    "id": image_id,
                    "file_name": photo.file_name,
                    "height": photo.height,
                    "width": photo.width,
                    "confidence": round(photo.confidence, 4),
                    "review": photo.review,
                    "reasons": list(photo.reasons),
                    "engine": photo.engine,
                }
            )
            for product, rle in zip(photo.products, photo.rles(), strict=True):
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image_id,
                        "category_id": category_ids[product.category],
                        **masks.coco_fields(rle),
                        "confidence": round(photo.confidence, 4),
                        "review": photo.review,
                    }
                )
        categories = [{"id": i, "name": name} for name, i in category_ids.items()]
        return {"images": images, "annotations": annotations, "categories": categories}

    def _append(self, record: dict) -> None:
        self._journal.write(json.dumps(record) + "\n")
        self._journal.flush()


def usable(photos: dict[str, PhotoMasks]) -> list[PhotoMasks]:
    """The photos that can be read, by name."""
    return [photos[name] for name in sorted(photos) if not photos[name].error]


def read_photos(out_dir: Path) -> dict[str, PhotoMasks]:
    """Reads a folder's photos by file name; changes nothing, others may be at work on it.

    Raises:
        ValueError: The folder has no journal, or a damaged one.
    """
    path = out_dir / JOURNAL_NAME
    if not path.is_file():
        raise ValueError(
            f"{out_dir}: no {JOURNAL_NAME} here; expected --out_dir of python -m "
            "data_prep.auto_mask, run that first."
        )
    return _read_journal(path)[0]


def _read_journal(path: Path) -> tuple[dict[str, PhotoMasks], int]:
    """Reads the photos, and of how many bytes the whole lines are."""
    encoded = path.read_bytes()
    *lines, rest = encoded.split(b"\n")
    photos: dict[str, PhotoMasks] = {}
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            if record.get(_REMOVED):
                photos.pop(record["file_name"], None)
            else:
                photos[record["file_name"]] = _photo_from_json(record)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"{path}, line {number}: not a photo's record ({error!r}); delete that line, or "
                "the file to begin anew."
            ) from error
    return photos, len(encoded) - len(rest)


def _photo_from_json(value: dict) -> PhotoMasks:
    size, modified = value["photo_state"]
    photo = PhotoMasks(
        **{
            **value,
            "products": tuple(ProductMask(**product) for product in value["products"]),
            "reasons": tuple(value["reasons"]),
            "photo_state": (size, modified),
        }
    )
    texts = (photo.file_name, photo.review, photo.engine, photo.error, *photo.reasons)
    texts += tuple(product.category for product in photo.products)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a name or a reason is no text")
    is_size = all(type(side) is int and side >= 0 for side in (photo.height, photo.width))
    if not is_size or not is_share(photo.confidence):
        raise ValueError(f"{photo.width}x{photo.height} pixels, confidence {photo.confidence}")
    for rle in photo.rles():
        checked_counts(rle)
    return photo
