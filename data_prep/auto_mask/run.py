"""Masks all photos of a folder on all cores, with progress; goes on where it was stopped."""

import hashlib
import io
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from data_prep.annotations import masks
from data_prep.annotations.mask_confidence import GOOD
from data_prep.auto_mask.cutout import pieces
from data_prep.auto_mask.cutout.confidence import Confidence
from data_prep.auto_mask.cutout.cut import Cut
from data_prep.auto_mask.engines import Engine, load_engine
from data_prep.auto_mask.store import LOCK_NAME, PENDING, MaskStore, PhotoMasks, ProductMask
from data_prep.ordered_pool import OrderedPool
from data_prep.readers.photo_encoding import PhotoError, prepare_photo, unreadable
from tfseg.io.atomic_files import write_whole
from tfseg.io.folder_lock import only_one
from tfseg.io.photo_files import find_files, read_photo_bytes

OVERLAYS_NAME = "overlays"
_MAX_PIXELS = 120_000_000
_OPAQUE = 127  # of 255
_MIN_SHARE = 0.01  # of the picture, opaque and transparent each
_EXIF_ORIENTATION = 0x0112
_VERSION = 2  # of the cut; a photo masked by another version is masked anew
_PRODUCT_COLORS = ((60, 60, 255), (60, 200, 60), (255, 120, 40), (40, 200, 255))  # BGR


@dataclass(frozen=True)
class RunSummary:
    """Counts of a folder's photos: all, masked now, and by outcome."""

    num_photos: int
    num_new: int
    outcomes: Counter

    def __str__(self) -> str:
        parts = [f"{count} {name}" for name, count in self.outcomes.most_common()]
        return f"{self.num_photos} photos ({self.num_new} masked now): {', '.join(parts)}"


def find_photos(input_dir: Path, out_dir: Path | None = None) -> tuple[list[str], int]:
    """Lists photos in category folders, relative and sorted; counts those in no folder.

    Overlays are none: where out_dir lies in input_dir, what is below it is left out.

    Raises:
        ValueError: There is no such folder, no photo in a category folder, or out_dir is input_dir.
    """
    root = input_dir.resolve()
    own_dir = out_dir.resolve() if out_dir else None
    if own_dir == root:
        raise ValueError(f"{out_dir}: has the photos themselves; give another --out_dir.")
    if not input_dir.is_dir():
        raise ValueError(f"{input_dir}: no such folder; give the folder of category folders.")
    files = find_files(input_dir, left_out=own_dir)
    files.tell_others()
    found = [path.relative_to(input_dir) for path in files.photos]
    names = sorted(path.as_posix() for path in found if len(path.parts) > 1)
    if not names:
        raise ValueError(
            f"{input_dir}: no photos in category folders; expected files such as "
            f"{input_dir}/dress/photo.jpg, move the photos into a folder named as their category."
        )
    return names, len(found) - len(names)


def run(
    input_dir: Path, out_dir: Path, engine: str, num_workers: int, overwrite: bool
) -> RunSummary:
    """Masks every photo that is new or changed, then writes the json, the csv and overlays.

    Returns:
        The RunSummary.

    Raises:
        ValueError: The folder has no photos, out_dir has decisions on those of another folder, or
            the engine is missing.
    """
    names, num_loose = find_photos(input_dir, out_dir)
    lock = only_one(out_dir / LOCK_NAME, "auto_mask or review", "--out_dir")
    with lock, MaskStore(out_dir) as store:
        gone = set(store.photos) - set(names)
        _refuse_to_forget(store, input_dir, gone)
        store.set_photos_dir(input_dir)
        for name in gone:
            store.remove(name)
        label = f"{engine}-{_VERSION}"
        todo = [n for n in names if overwrite or not _is_done(store, input_dir, n, label)]
        if todo:
            load_engine(engine)  # what is missing is said before workers start
        function = partial(mask_photo, input_dir=input_dir, out_dir=out_dir, engine=engine)
        pool = OrderedPool(function, min(num_workers, max(1, len(todo) // 4)))
        try:
            results = pool.map(todo)
            for result in tqdm(results, "masks", len(todo), unit="photo", disable=None):
                store.add(result)
        finally:
            pool.close()
            store.write()
        outcomes = Counter(outcome(photo) for photo in store.photos.values())
    outcomes += Counter({"outside a category folder": num_loose})
    return RunSummary(len(names) + num_loose, len(todo), outcomes)


def _refuse_to_forget(store: MaskStore, input_dir: Path, gone: set[str]) -> None:
    """Keeps what people decided where another folder was given by mistake, not photos removed."""
    before = store.noted_photos_dir()
    decided = [name for name in sorted(gone) if store.photos[name].review != PENDING]
    if decided and before is not None and before.is_dir() and before != input_dir.resolve():
        raise ValueError(
            f"{store.out_dir}: has decisions on photos of {before} that {input_dir} has not "
            f"({len(decided)}, e.g. {decided[0]}); give another --out_dir."
        )


def outcome(photo: PhotoMasks) -> str:
    """A photo's outcome in a few words."""
    if photo.error:
        return "unreadable"
    if not photo.products:
        return "without a clear product"
    return "good" if photo.confidence >= GOOD else "unsure"


def mask_photo(name: str, input_dir: Path, out_dir: Path, engine: str) -> PhotoMasks:
    """Masks one photo and writes its overlay; a photo that cannot be read is told as such."""
    cv2.setNumThreads(1)
    path = input_dir / name
    state = path.stat()
    label = f"{engine}-{_VERSION}"
    told = PhotoMasks(
        name,
        height=0,
        width=0,
        confidence=0.0,
        products=(),
        engine=label,
        photo_state=(state.st_size, state.st_mtime_ns),
        photo_sha256=_sha256(path),
    )
    try:
        photo = read_photo(path)
    except PhotoError as error:
        return replace(told, error=f"{error.reason}: {error}")
    found = _cut(path, photo, engine)
    category = name.split("/")[0]
    products = tuple(
        ProductMask(category, masks.rle_from_mask(mask)["counts"].decode())
        for mask in found.products
    )
    write_overlay(photo, found.products, out_dir / OVERLAYS_NAME / name)
    return replace(
        told,
        height=photo.shape[0],
        width=photo.shape[1],
        confidence=round(found.confidence.score, 4),
        products=products,
        reasons=found.confidence.reasons,
    )


def cut_photo(path: Path, engine: str = "cutout") -> Cut:
    """Cuts the products out of one photo.

    Raises:
        OSError: There is no such file.
        PhotoError: It is damaged, or larger than 120 megapixels.
    """
    cv2.setNumThreads(1)
    return _cut(path, read_photo(path), engine)


def _cut(path: Path, photo: np.ndarray, engine: str) -> Cut:
    return cut_by_alpha(path, photo.shape[:2]) or _engine(engine)(photo)


def cut_by_alpha(path: Path, size_hw: tuple[int, int]) -> Cut | None:
    """A picture that was cut out already: what is opaque is the product.

    Args:
        path: the file.
        size_hw: of the photo as read_photo gives it.

    Returns:
        None where the picture has no transparency, or nearly all of it is of one kind.
    """
    with Image.open(path) as image:
        if "A" not in image.mode and "transparency" not in image.info:
            return None
        alpha = np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))[..., 3]
    share = (alpha > _OPAQUE).mean()
    if alpha.shape != size_hw or not _MIN_SHARE < share < 1 - _MIN_SHARE:
        return None
    mask = pieces.drop_crumbs((alpha > _OPAQUE).astype(np.uint8))
    return Cut(mask, pieces.split_products(mask), Confidence(1.0, (), {}))


def read_photo(path: Path) -> np.ndarray:
    """Reads a photo as data_prep's builders will: uint8 [height, width, 3], BGR.

    An EXIF rotation is applied where the size shows that it was: that is how a builder tells.

    Raises:
        PhotoError: It is damaged or larger than 120 megapixels.
    """
    try:
        encoded = read_photo_bytes(path)
    except OSError as error:
        raise PhotoError("photo_unreadable", error.strerror or str(error)) from error
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            size_hw = (image.height, image.width)
            turned = image.getexif().get(_EXIF_ORIENTATION, 1) >= 5
    except Exception as error:  # Pillow's decoders raise many kinds
        raise unreadable(encoded, error) from error
    if size_hw[0] * size_hw[1] > _MAX_PIXELS:
        raise PhotoError("photo_too_large", f"{size_hw[1]}x{size_hw[0]} pixels")
    expected_hw = size_hw[::-1] if turned else size_hw
    photo = prepare_photo(encoded, None, expected_hw)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    decoded = cv2.imdecode(np.frombuffer(photo.encoded, np.uint8), flags)
    if decoded is None:  # prepare_photo gives what decodes
        raise PhotoError("photo_unreadable", "cannot be decoded")
    return decoded


def write_overlay(photo: np.ndarray, products: list[np.ndarray], path: Path) -> None:
    """Writes the photo with its products tinted and outlined (dark and light), always as JPEG."""
    drawn = photo.copy()
    for index, mask in enumerate(products):
        color = _PRODUCT_COLORS[index % len(_PRODUCT_COLORS)]
        x, y, width, height = cv2.boundingRect(mask)
        box = np.s_[y : y + height, x : x + width]
        tinted = cv2.addWeighted(drawn[box], 0.65, np.full_like(drawn[box], color), 0.35, 0)
        cv2.copyTo(tinted, mask[box], drawn[box])
        outlines, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        thickness = max(1, max(mask.shape) // 500)
        # Dark around light: one of the two shows on a garment and a background of any color.
        cv2.drawContours(drawn, outlines, -1, (0, 0, 0), 3 * thickness)
        cv2.drawContours(drawn, outlines, -1, (255, 255, 255), thickness)
    path = path.with_name(f"{path.name}.jpg")
    encoded = cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    write_whole(path, encoded.tobytes(), "an overlay")


def _is_done(store: MaskStore, input_dir: Path, name: str, label: str) -> bool:
    photo = store.photos.get(name)
    if photo is None:
        return False
    # What a person decided or changed is kept, whatever made it.
    is_wanted = photo.engine in (label, "coco", "person") or photo.review != PENDING
    return is_wanted and _is_same_photo(store, photo, input_dir / name)


def _is_same_photo(store: MaskStore, photo: PhotoMasks, path: Path) -> bool:
    """Whether a file is as it was masked; notes the new time of one that was only copied."""
    file = path.stat()
    state = (file.st_size, file.st_mtime_ns)
    if state == photo.photo_state:
        return True
    if state[0] != photo.photo_state[0]:
        return False
    # Journals of before have no hash; the equal size must do, lest decisions are lost.
    if photo.photo_sha256 and photo.photo_sha256 != _sha256(path):
        return False
    store.add(replace(photo, photo_state=state))
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_loaded: dict[str, Engine] = {}  # in a worker, an engine is loaded once


def _engine(name: str) -> Engine:
    if name not in _loaded:
        _loaded[name] = load_engine(name)
    return _loaded[name]
