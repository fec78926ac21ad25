"""Random COCO files of every form, with the truth worked out beside them and not by the code."""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

CATEGORIES = {17: "dress", 3: "scarf/tie", 40: "Schuhe, größer", 8: "bag"}  # not in order
NAMES = tuple(CATEGORIES[i] for i in sorted(CATEGORIES))


@dataclass
class TrueInstance:
    """What an annotation stands for; `mask` is uint8 [height, width]."""

    category: str
    mask: np.ndarray
    is_crowd: bool


@dataclass
class TruePhoto:
    """What must be found in the shards.

    Attributes:
        kept_bytes: of a photo that needs no change; None for the others.
        is_usable: False: it must be left out.
    """

    image_id: int
    file_name: str
    kept_bytes: bytes | None
    instances: list[TrueInstance] = field(default_factory=list)
    is_usable: bool = True


@dataclass
class RandomCoco:
    """A json's contents and the photos beside it."""

    contents: dict
    photos: dict[str, bytes]
    truth: dict[int, TruePhoto]

    def write(self, raw_dir: Path) -> Path:
        (raw_dir / "images").mkdir(parents=True)
        for name, encoded in self.photos.items():
            (raw_dir / "images" / name).write_bytes(encoded)
        text = json.dumps(self.contents, ensure_ascii=False)
        (raw_dir / "annotations.json").write_text(text, encoding="utf-8")
        return raw_dir


def random_coco(seed: int, num_photos: int) -> RandomCoco:
    """Photos of all kinds, instances of all forms, some unusable ones; equal for equal seeds."""
    rng = np.random.default_rng(seed)
    categories = [{"id": i, "name": name} for i, name in CATEGORIES.items()]
    contents = {"images": [], "annotations": [], "categories": categories}
    coco = RandomCoco(contents, {}, {})
    for number, image_id in enumerate(rng.choice(2**24, num_photos, replace=False).tolist()):
        height, width = rng.integers(4, 70, 2).tolist()
        name = f"{number}.{rng.choice(['jpg', 'png', 'webp'])}"
        encoded, is_kept = _photo(rng, height, width)
        photo = TruePhoto(image_id, name, encoded if is_kept else None)
        coco.photos[name], coco.truth[image_id] = encoded, photo
        entry = {"id": image_id, "file_name": name, "height": height, "width": width}
        contents["images"].append(entry)
        fault = rng.random()
        if fault < 0.01:
            del coco.photos[name]
        elif fault < 0.02:
            entry["height"] += 1
        photo.is_usable = fault >= 0.02
        _annotate(rng, coco, photo, height, width)
    rng.shuffle(contents["annotations"])
    _order_instances(coco)
    return coco


def _photo(rng: np.random.Generator, height: int, width: int) -> tuple[bytes, bool]:
    """Encoded bytes, and whether they need no change."""
    pixels = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    image, options = Image.fromarray(pixels), {"format": "JPEG", "quality": 90}
    kind = rng.choice(["rgb", "progressive", "grey", "cmyk", "png", "alpha", "16 bit", "webp"])
    if kind == "progressive":
        options["progressive"] = True
    elif kind in ("grey", "cmyk"):
        image = image.convert({"grey": "L", "cmyk": "CMYK"}[kind])
    elif kind == "16 bit":
        image, options = Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257), {"format": "PNG"}
    elif kind == "webp":
        options = {"format": "WEBP"}
    elif kind in ("png", "alpha"):
        image, options = image.convert("RGBA" if kind == "alpha" else "RGB"), {"format": "PNG"}
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue(), kind in ("rgb", "progressive")


def _annotate(rng, coco: RandomCoco, photo: TruePhoto, height: int, width: int) -> None:
    for _ in range(int(rng.choice([0, 1, 2, 3, 5, 9]))):
        form = rng.choice(["box", "polygons", "counts", "compressed", "hollow", "again"])
        if form == "again" and photo.instances:
            chosen = photo.instances[rng.integers(len(photo.instances))]
            instance = TrueInstance(chosen.category, chosen.mask, chosen.is_crowd)
            segmentation = _compressed(chosen.mask)
        else:
            segmentation, mask = _segmentation(rng, str(form), height, width)
            category = str(rng.choice(NAMES))
            instance = TrueInstance(category, mask, bool(rng.random() < 0.1))
        (category_id,) = (i for i, name in CATEGORIES.items() if name == instance.category)
        coco.contents["annotations"].append(
            {
                "id": len(coco.contents["annotations"]) + 1,
                "image_id": photo.image_id,
                "category_id": category_id,
                "segmentation": segmentation,
                "iscrowd": int(instance.is_crowd),
                "bbox": rng.integers(0, 50, 4).tolist(),  # wrong, and must not matter
                "area": 1,
            }
        )
        photo.instances.append(instance)


def _segmentation(rng, form: str, height: int, width: int):
    """A raw segmentation and its mask."""
    if form == "box":
        x0, y0 = int(rng.integers(-5, width)), int(rng.integers(-5, height))
        x1, y1 = x0 + int(rng.integers(1, 40)), y0 + int(rng.integers(1, 40))
        mask = np.zeros((height, width), np.uint8)
        mask[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = 1
        return [[x0, y0, x1, y0, x1, y1, x0, y1], *([[1, 2, 3, 4]] * int(rng.integers(2)))], mask
    if form == "polygons":
        points = rng.random((int(rng.integers(1, 4)), int(rng.integers(3, 9)), 2))
        polygons = [(p * (width * 1.3, height * 1.3) - 2).round(2).ravel().tolist() for p in points]
        rles = coco_mask.frPyObjects(polygons, height, width)
        return polygons, coco_mask.decode(coco_mask.merge(rles))
    mask = (rng.random((height, width)) < rng.choice([0.0, 0.02, 0.5, 1.0])).astype(np.uint8)
    if form == "hollow":
        mask[:] = 1
        mask[height // 3 : height // 2, width // 3 : width // 2] = 0
    if form != "counts":
        return _compressed(mask), mask
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=0))
    counts = np.diff(np.concatenate(([0], edges, [flat.size]))).tolist()
    return {"size": [height, width], "counts": counts}, mask


def _compressed(mask: np.ndarray) -> dict:
    rle = coco_mask.encode(np.asfortranarray(mask))
    return {"size": list(mask.shape), "counts": rle["counts"].decode("ascii")}


def _order_instances(coco: RandomCoco) -> None:
    """Puts each photo's instances in the file's order; empty and repeated ones go."""
    written = {photo_id: list(photo.instances) for photo_id, photo in coco.truth.items()}
    starts: dict[int, int] = {}
    by_annotation: dict[int, TrueInstance] = {}
    annotations = sorted(coco.contents["annotations"], key=lambda a: a["id"])
    for annotation in annotations:
        image_id = annotation["image_id"]
        index = starts.get(image_id, 0)
        starts[image_id] = index + 1
        by_annotation[annotation["id"]] = written[image_id][index]
    for photo in coco.truth.values():
        photo.instances = []
    for annotation in coco.contents["annotations"]:
        photo, instance = coco.truth[annotation["image_id"]], by_annotation[annotation["id"]]
        known = [(i.category, i.is_crowd, i.mask.tobytes()) for i in photo.instances]
        key = (instance.category, instance.is_crowd, instance.mask.tobytes())
        if instance.mask.any() and key not in known:
            photo.instances.append(instance)
    for image_id, photo in coco.truth.items():
        if written[image_id] and not photo.instances:
            photo.is_usable = False
