"""Composes product photos with true masks: garments of real street photos on made backgrounds.

python -m tests.benchmarks.product_photos --raw_dir=RAW --out_dir=OUT --num_photos=300 --half=1

RAW holds ModaNet's raw form (data_prep/datasets/modanet/README.md). The garments are cut by their
polygons and set on white, grey, gradient, coloured and textured backgrounds, most with a soft
shadow; OUT gets photos/<category>/<kind>_<n>.jpg and truth/<category>/<kind>_<n>.png (0 / 255).
The street photos are cut in two halves, so that what is tuned on one is judged on the other.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import lmdb
import numpy as np
from absl import app, flags

from data_prep.annotations import masks

FLAGS = flags.FLAGS
KINDS = ("white", "grey", "gradient", "colour", "texture")
CATEGORIES = ("bag", "outer", "dress", "pants", "top", "shorts", "skirt", "headwear", "boots")
_MIN_AREA = 4000  # pixels of the street photo
_SHADOWED = 0.75  # share of photos that have a shadow


def decoded(encoded: np.ndarray) -> np.ndarray:
    """Decodes a photo's bytes: uint8 [height, width, 3], BGR."""
    photo = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert photo is not None, "no photo"
    return photo


def read_garments(raw_dir: Path, half: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yields category, photo (uint8 [height, width, 3], BGR) and mask (0 and 1) of a half."""
    json_path = raw_dir / "modanet/annotations/modanet2018_instances_train.json"
    coco = json.loads(json_path.read_text())
    names = {category["id"]: category["name"] for category in coco["categories"]}
    photos = lmdb.open(str(raw_dir / "paperdoll/photos.lmdb"), readonly=True, lock=False)
    with photos.begin() as transaction:
        for annotation in coco["annotations"]:
            name = names[annotation["category_id"]]
            if annotation["image_id"] // 10 % 2 != half or name not in CATEGORIES:
                continue
            encoded = transaction.get(str(annotation["image_id"]).encode())
            polygons = [p for p in annotation["segmentation"] if len(p) >= 6]
            if encoded is None or not polygons:
                continue
            photo = decoded(np.frombuffer(encoded, np.uint8))
            mask = masks.mask_from_rle(masks.rle_from_polygons(polygons, *photo.shape[:2]))
            mask = largest_piece(mask)
            if mask.sum() >= _MIN_AREA:
                yield name, photo, mask


def largest_piece(mask: np.ndarray) -> np.ndarray:
    """Keeps the largest connected piece of a mask."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    return (labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)


def compose(
    photo: np.ndarray, mask: np.ndarray, kind: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Sets one garment on a background of a kind.

    Returns:
        The product photo (uint8 [height, width, 3], BGR) and the true mask (uint8, 0 and 255).
    """
    x, y, width, height = cv2.boundingRect(mask)
    garment = photo[y : y + height, x : x + width]
    scale = rng.uniform(280, 600) / max(width, height)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    garment = cv2.resize(garment, size, interpolation=cv2.INTER_LINEAR)
    cut = mask[y : y + height, x : x + width] * 255
    cut = cv2.resize(cut, size, interpolation=cv2.INTER_NEAREST)
    if rng.random() < 0.1:
        cut = _with_hole(cut, rng)
    margin_x, margin_y = (int(size[i] * rng.uniform(0.2, 0.65)) for i in (0, 1))
    truth = cv2.copyMakeBorder(cut, *[margin_y] * 2, *[margin_x] * 2, cv2.BORDER_CONSTANT)
    garment = cv2.copyMakeBorder(garment, *[margin_y] * 2, *[margin_x] * 2, cv2.BORDER_REPLICATE)
    background = draw_background(kind, truth.shape, rng)
    if rng.random() < _SHADOWED:
        background *= draw_shadow(truth, rng)[..., None]
    alpha = cv2.GaussianBlur(truth, (0, 0), rng.uniform(0.5, 1.2))[..., None] / 255.0
    composed = garment * alpha + background * (1 - alpha)
    if rng.random() < 0.3:
        composed += rng.normal(0, rng.uniform(0.5, 3), composed.shape)
    quality = int(rng.integers(80, 97))
    jpeg = cv2.imencode(".jpg", _to_uint8(composed), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return decoded(jpeg), truth


def draw_background(kind: str, size_hw: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draws float64 [height, width, 3], BGR, 0 to 255."""
    height, width = size_hw
    if kind == "white":
        return np.full((height, width, 3), rng.uniform(248, 255))
    if kind == "grey":
        return np.full((height, width, 3), rng.uniform(170, 235))
    if kind == "colour":
        return np.ones((height, width, 1)) * rng.uniform(140, 245, 3)
    if kind == "gradient":
        angle = rng.uniform(0, 2 * np.pi)
        ys, xs = np.mgrid[:height, :width]
        ramp = np.cos(angle) * xs / width + np.sin(angle) * ys / height
        ramp = (ramp - ramp.min()) / np.ptp(ramp)
        low, high = rng.uniform(150, 215), rng.uniform(230, 258)
        return np.minimum((low + (high - low) * ramp)[..., None] * np.ones(3), 255)
    return _draw_texture(height, width, rng)


def _draw_texture(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Blotches of one size, or of two with a tint."""
    cell = rng.uniform(4, 24)
    grid = rng.normal(0, 1, (int(height / cell) + 2, int(width / cell) + 2))
    blotches = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.3:
        blotches = blotches + rng.normal(0, 0.4, (height, width))
    tint = np.ones(3) if rng.random() < 0.7 else rng.uniform(0.85, 1.05, 3)
    return np.clip(rng.uniform(175, 215) + rng.uniform(7, 15) * blotches[..., None], 0, 255) * tint


def draw_shadow(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What the garment leaves of the light, float [height, width], 0 to 1."""
    shift = np.array([[1, 0, rng.uniform(-15, 20)], [0, 1, rng.uniform(-5, 25)]], np.float32)
    moved = np.asarray(cv2.warpAffine(truth, shift, truth.shape[::-1]), np.float64) / 255
    return 1 - rng.uniform(0.15, 0.45) * cv2.GaussianBlur(moved, (0, 0), rng.uniform(5, 25))


def _with_hole(cut: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = cut.shape
    depth = cv2.distanceTransform(cut, cv2.DIST_L2, 5)
    row, column = map(int, np.unravel_index(depth.argmax(), depth.shape))
    axes = (rng.uniform(0.3, 0.7, 2) * depth.max()).astype(int) + 2
    hole = np.zeros_like(cut)
    cv2.ellipse(hole, (column, row), tuple(map(int, axes)), rng.uniform(0, 180), 0, 360, 255, -1)
    return cut & ~hole


def _to_uint8(image: np.ndarray) -> np.ndarray:
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def write_photos(raw_dir: Path, out_dir: Path, num_photos: int, half: int, seed: int) -> None:
    """Writes the photos and their true masks; the same seed gives the same ones."""
    rng = np.random.default_rng(seed)
    garments = list(read_garments(raw_dir, half))
    rng.shuffle(garments)
    for index in range(num_photos):
        category, photo, mask = garments[index % len(garments)]
        kind = KINDS[index % len(KINDS)]
        composed, truth = compose(photo, mask, kind, rng)
        name = f"{category}/{kind}_{index:03d}"
        for folder, suffix, image in (("photos", "jpg", composed), ("truth", "png", truth)):
            path = out_dir / folder / f"{name}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            options = [cv2.IMWRITE_JPEG_QUALITY, 98] if suffix == "jpg" else []
            cv2.imwrite(str(path), image, options)


def main(_) -> None:
    """Reads the flags and writes the photos."""
    write_photos(Path(FLAGS.raw_dir), Path(FLAGS.out_dir), FLAGS.num_photos, FLAGS.half, FLAGS.seed)
    print(f"{FLAGS.out_dir}: {FLAGS.num_photos} product photos with their true masks")


if __name__ == "__main__":
    flags.DEFINE_string("raw_dir", None, "Folder with ModaNet's raw form.", required=True)
    flags.DEFINE_string("out_dir", None, "Where the photos go.", required=True)
    flags.DEFINE_integer("num_photos", 300, "How many.", 1)
    flags.DEFINE_integer("half", 0, "Which half of the street photos to take garments of.", 0, 1)
    flags.DEFINE_integer("seed", 1, "Of every choice.")
    app.run(main)
