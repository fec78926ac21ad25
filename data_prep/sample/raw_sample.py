"""A whole raw data set of drawn photos: which there are, drawing them, writing them."""

import contextlib
import functools
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from data_prep.annotations.polygons import polygons_from_mask
from data_prep.ordered_pool import OrderedPool
from data_prep.sample import faults as faults_module
from data_prep.sample.photo import VisibleGarment, choose_post, draw_empty_scene, draw_photo
from data_prep.sample.raw_files import (
    PhotoStore,
    RawPhoto,
    write_sqlite,
    write_train_json,
    write_val_json,
)
from tfseg.io.atomic_files import write_errors

VERSION = 2  # raise it when the same seed no longer draws the same photos
FACTS_FILE = "sample.json"
JPEG_QUALITY = 90
MIN_IMAGES = 8


@dataclass(frozen=True)
class SampleFacts:
    """What a sample is made from; the same facts give the same photos."""

    num_images: int
    num_challenge: int
    seed: int
    version: int = VERSION


@dataclass(frozen=True)
class _Slot:
    """One photo to be drawn: its number (from 0, the challenge's last), ids and faults."""

    number: int
    photo_id: int
    post_id: int
    grey: bool
    unannotated: bool


@dataclass(frozen=True)
class _DrawnPhoto:
    slot: _Slot
    jpeg: bytes
    size_hw: tuple[int, int]
    annotations: list[dict]


def is_drawn(out_dir: Path, facts: SampleFacts) -> bool:
    """Whether `out_dir` is this very sample, complete.

    Raises:
        ValueError: `out_dir` exists and is something else.
    """
    if not out_dir.exists() or (out_dir.is_dir() and not any(out_dir.iterdir())):
        return False
    facts_path = out_dir / FACTS_FILE
    if not facts_path.is_file():
        raise ValueError(
            f"{out_dir}: exists but is no drawn sample ({FACTS_FILE} is missing); "
            "give another --out_dir or remove the folder."
        )
    found = json.loads(facts_path.read_text())
    if found != asdict(facts):
        raise ValueError(
            f"{out_dir}: holds another sample: got {found}, expected {asdict(facts)}; "
            "give another --out_dir or remove the folder."
        )
    return True


def draw_sample(out_dir: Path, facts: SampleFacts, num_workers: int) -> None:
    """Draws and writes a sample; `out_dir` appears only when it is complete.

    Raises:
        ValueError: Too few images asked for.
        OSError: The disk is full or refuses; the text names the folder.
        WorkerDiedError: A worker process was killed.
    """
    if facts.num_images < MIN_IMAGES:
        raise ValueError(f"--num_images: got {facts.num_images}, expected {MIN_IMAGES} or more.")
    if facts.num_challenge < 0:
        raise ValueError(f"--num_challenge: got {facts.num_challenge}, expected 0 or more.")
    unfinished = out_dir.with_name(out_dir.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    with write_errors(unfinished, "the drawn photos"):
        _write_sample(unfinished, facts, num_workers)
        (unfinished / FACTS_FILE).write_text(json.dumps(asdict(facts)) + "\n")
    if out_dir.exists():
        out_dir.rmdir()  # is_drawn: it is empty
    unfinished.rename(out_dir)


def _write_sample(raw_dir: Path, facts: SampleFacts, num_workers: int) -> None:
    faults = faults_module.choose_faults(facts.num_images, facts.seed)
    slots = _plan(facts, faults)
    photos, annotations = [], []
    draw = functools.partial(_draw_slot, facts.seed)
    with (
        contextlib.closing(OrderedPool(draw, num_workers)) as pool,
        PhotoStore(raw_dir, len(slots)) as store,
    ):
        for drawn in tqdm(pool.map(slots), "drawing", len(slots), unit="photo"):
            slot = drawn.slot
            height, width = drawn.size_hw
            photos.append(RawPhoto(slot.photo_id, slot.post_id, width, height, len(drawn.jpeg)))
            if slot.number not in faults.missing:
                store.put(slot.photo_id, drawn.jpeg)
            if slot.number < facts.num_images:
                annotations += _with_faults(drawn, faults, facts)
    write_sqlite(raw_dir, photos)
    write_train_json(raw_dir, photos[: facts.num_images], annotations)
    write_val_json(raw_dir, photos[facts.num_images :])


def _plan(facts: SampleFacts, faults: faults_module.Faults) -> list[_Slot]:
    """Gives every photo its ids: posts of one to three photos, the challenge's posts apart."""
    rng = np.random.default_rng((facts.seed, 0))
    slots: list[_Slot] = []
    photo_id, post_id = 300_000, 90_000
    for end in (facts.num_images, facts.num_images + facts.num_challenge):
        while len(slots) < end:
            post_id += int(rng.integers(1, 4))
            for _ in range(min(int(rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2])), end - len(slots))):
                photo_id += int(rng.integers(1, 9))
                number = len(slots)
                grey, unannotated = number in faults.grey, number in faults.unannotated
                slots.append(_Slot(number, photo_id, post_id, grey, unannotated))
    return slots


def _draw_slot(seed: int, slot: _Slot) -> _DrawnPhoto:
    num_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # OpenCV's blurs differ in the last bits with the number of threads
    try:
        return _drawn_photo(seed, slot)
    finally:
        cv2.setNumThreads(num_threads)


def _drawn_photo(seed: int, slot: _Slot) -> _DrawnPhoto:
    post = choose_post(np.random.default_rng((seed, 1, slot.post_id)))
    rng = np.random.default_rng((seed, 2, slot.number))
    if slot.unannotated:
        photo, garments = draw_empty_scene(post, rng), list[VisibleGarment]()
    else:
        photo, garments = draw_photo(post, rng)
    annotations = []
    for garment in garments:
        if polygons := polygons_from_mask(garment.mask):
            annotations.append(_annotation(slot.photo_id, garment.category_id, polygons))
    code = cv2.COLOR_RGB2GRAY if slot.grey else cv2.COLOR_RGB2BGR
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(photo, code), quality)[1].tobytes()
    return _DrawnPhoto(slot, jpeg, photo.shape[:2], annotations)


def _annotation(image_id: int, category_id: int, polygons: list[list[int]]) -> dict:
    """ModaNet's record of an instance; its `area` is the bbox's, not the mask's."""
    points = np.concatenate([np.reshape(p, (-1, 2)) for p in polygons])
    x, y = (int(v) for v in points.min(axis=0))
    width, height = (int(v) for v in points.max(axis=0) - (x, y))
    return {
        "segmentation": polygons, "area": width * height, "iscrowd": 0, "image_id": image_id,
        "bbox": [x, y, width, height], "category_id": category_id,
    }  # fmt: skip


def _with_faults(drawn: _DrawnPhoto, faults: faults_module.Faults, facts: SampleFacts):
    rng = np.random.default_rng((facts.seed, 4, drawn.slot.number))
    annotations = drawn.annotations
    faults_module.swap_pair_bboxes(annotations, rng)
    faults_module.add_stray_polygons(annotations, rng)
    if drawn.slot.number in faults.line_only:
        annotations.append(faults_module.line_only_annotation(drawn.slot.photo_id))
    return annotations
