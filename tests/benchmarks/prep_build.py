"""Data preparation against Model Garden's converter: photos a second, memory, and the same masks.

python -m tests.benchmarks.prep_build --raw_dir=../shared/street

Both turn the same JPEG files and COCO json into TFRecords with two processes, one after the other
in one run. The photos are ModaNet's annotated ones of --raw_dir, repeated. A rate is the slope
between a small and a large set, so that imports and other start-up do not count; memory is the
highest sum of the proportional set sizes (PSS) of all processes of a command.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import tensorflow as tf
from absl import app, flags
from official.vision.dataloaders.tf_example_decoder import TfExampleDecoder

from data_prep.datasets.modanet.raw_files import PhotoStore, find_raw_files

FLAGS = flags.FLAGS
_TRAIN_JSON = "modanet/annotations/modanet2018_instances_train.json"


def write_coco_files(raw_dir: Path, out_dir: Path, num_photos: int) -> Path:
    """Repeats the photos of ModaNet's raw form as files, with a COCO json both tools can read.

    The peer dies on polygons under three points and drops boxes past the edge, so the json has
    neither: short polygons are taken out, boxes are the polygons' own.
    """
    raw = json.loads((raw_dir / _TRAIN_JSON).read_text())
    store = PhotoStore(find_raw_files(raw_dir).photos_lmdb)
    read = {image["id"]: store.read(image["id"]) for image in raw["images"]}
    photos = {image_id: photo for image_id, photo in read.items() if photo}
    annotations = _usable_annotations(raw)
    images = [i for i in raw["images"] if i["id"] in photos and annotations.get(i["id"])]
    (out_dir / "images").mkdir(parents=True)
    written = {"images": [], "annotations": [], "categories": raw["categories"]}
    for image_id in range(1, num_photos + 1):
        image = images[(image_id - 1) % len(images)]
        name = f"{image_id:06d}.jpg"
        (out_dir / "images" / name).write_bytes(photos[image["id"]])
        written["images"].append({**image, "id": image_id, "file_name": name})
        for annotation in annotations[image["id"]]:
            annotation_id = len(written["annotations"]) + 1
            own = {**annotation, "id": annotation_id, "image_id": image_id}
            written["annotations"].append(own)
    (out_dir / "instances.json").write_text(json.dumps(written))
    return out_dir


def _usable_annotations(raw: dict) -> dict[int, list[dict]]:
    sizes = {image["id"]: (image["width"], image["height"]) for image in raw["images"]}
    by_image: dict[int, list[dict]] = {}
    for annotation in raw["annotations"]:
        polygons = [p for p in annotation["segmentation"] if len(p) >= 6]
        xs = [x for p in polygons for x in p[0::2]]
        ys = [y for p in polygons for y in p[1::2]]
        width, height = sizes[annotation["image_id"]]
        if polygons and min(xs) >= 0 and min(ys) >= 0 and max(xs) <= width and max(ys) <= height:
            bbox = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
            own = {**annotation, "segmentation": polygons, "bbox": bbox}
            by_image.setdefault(annotation["image_id"], []).append(own)
    return by_image


def peer_command(coco_dir: Path, out_dir: Path) -> list[str]:
    """Model Garden's converter."""
    return [
        *(sys.executable, "-m", "official.vision.data.create_coco_tf_record"),
        f"--image_dir={coco_dir}/images",
        f"--object_annotations_file={coco_dir}/instances.json",
        f"--output_file_prefix={out_dir}/peer",
        *("--include_masks", "--num_processes=2", "--num_shards=8"),
    ]


def our_command(coco_dir: Path, out_dir: Path) -> list[str]:
    """Ours, into one split."""
    return [
        *(sys.executable, "-m", "data_prep.build_tfrecords", "--dataset=coco"),
        f"--annotations={coco_dir}/instances.json",
        f"--photos_dir={coco_dir}/images",
        f"--data_dir={out_dir}",
        *("--val_percent=0", "--num_workers=2", "--num_shards=8"),
    ]


def run(command: list[str]) -> tuple[float, float]:
    """Runs a command.

    Returns:
        Seconds, and the highest PSS of it and its children together, bytes.
    """
    started, highest = time.perf_counter(), 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while process.poll() is None:
        highest = max(highest, _pss(process.pid))
        time.sleep(0.1)
    seconds = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"error: {' '.join(command)} failed: {process.stderr.read().decode()[-2000:]}")
    return seconds, highest


def _pss(pid: int) -> int:
    total = 0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            total += process.memory_full_info().pss
    except psutil.Error:  # ended meanwhile
        pass
    return total


def masks_by_image(paths: list[str], file_name_key: str = "image/filename") -> dict[str, list]:
    """Every photo's masks by its file name, in an order that does not depend on the tool."""
    decoder = TfExampleDecoder(include_mask=True)
    masks = {}
    for record in tf.data.TFRecordDataset(paths):
        features = tf.train.Example.FromString(record.numpy()).features.feature
        name = features[file_name_key].bytes_list.value[0].decode()
        decoded = decoder.decode(record)["groundtruth_instance_masks"].numpy()
        packed = [np.packbits(mask.astype(np.uint8) != 0).tobytes() for mask in decoded]
        masks[name] = sorted(packed)
    return masks


def main(_) -> None:
    """Reads the flags, runs both, prints the table."""
    with tempfile.TemporaryDirectory(dir=FLAGS.work_dir) as work_dir:
        work = Path(work_dir)
        sizes = (FLAGS.num_small, FLAGS.num_large)
        coco = {n: write_coco_files(Path(FLAGS.raw_dir), work / f"coco{n}", n) for n in sizes}
        tools = {"Model Garden": peer_command, "ours": our_command}
        seconds = {(tool, n): [] for tool in tools for n in sizes}
        memory = {(tool, n): 0.0 for tool in tools for n in sizes}
        for _ in range(FLAGS.num_repeats):
            for n in sizes:
                for tool, command in tools.items():
                    out_dir = work / tool
                    shutil.rmtree(out_dir, ignore_errors=True)
                    out_dir.mkdir()
                    elapsed, highest = run(command(coco[n], out_dir))
                    seconds[tool, n].append(elapsed)
                    memory[tool, n] = max(memory[tool, n], highest)
        peer_masks = masks_by_image(sorted(map(str, (work / "Model Garden").glob("peer*"))))
        our_masks = masks_by_image(sorted(map(str, (work / "ours").rglob("*tfrecord*"))))
    rates = {
        tool: (sizes[1] - sizes[0]) / (min(seconds[tool, sizes[1]]) - min(seconds[tool, sizes[0]]))
        for tool in tools
    }
    print(f"{sizes[0]} and {sizes[1]} photos, two processes, {FLAGS.num_repeats} interleaved runs")
    for tool in tools:
        peaks = ", ".join(f"{memory[tool, n] / 2**20:,.0f} MB at {n}" for n in sizes)
        print(f"  {tool:13} {rates[tool]:7.1f} photos/s   peak memory {peaks}")
    small, large = (memory["ours", n] for n in sizes)
    print(f"  speed ratio {rates['ours'] / rates['Model Garden']:.1f}")
    print(f"  our memory grows by {large / small - 1:+.1%} over {sizes[1] / sizes[0]:.0f} times")
    print(f"  our memory is {large / memory['Model Garden', sizes[1]]:.2f} of the peer's")
    num_masks = sum(map(len, our_masks.values()))
    print(f"  masks equal: {our_masks == peer_masks} ({len(our_masks)} photos, {num_masks} masks)")


if __name__ == "__main__":
    flags.DEFINE_string("raw_dir", None, "ModaNet's and PaperDoll's raw files.", required=True)
    flags.DEFINE_string("work_dir", None, "Where temporary files go.")
    flags.DEFINE_integer("num_small", 400, "Photos of the small set.")
    flags.DEFINE_integer("num_large", 4000, "Photos of the large set.")
    flags.DEFINE_integer("num_repeats", 2, "Interleaved runs of each.")
    app.run(main)
