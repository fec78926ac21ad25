"""What attributes cost an answer: its time and bytes with the attribute head, against without.

python -m tests.benchmarks.attribute_cost --photos_dir=PHOTOS              # the model in the box
python -m tests.benchmarks.attribute_cost --photos_dir=PHOTOS --colours    # its colours, no head
python -m tests.benchmarks.attribute_cost --photos_dir=PHOTOS --model_dir=DIR  # a trained one

Both exports have the same weights, so they find the same garments. The model in the box gets a head
of random weights, whose thresholds let a garment have --num_said attributes on average. The two
take turns, each round in the other order; printed are the medians of the rounds' ratios.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import app, flags
from tensorflow_serving.apis import predict_pb2

from serving.protocol.tensors import set_tensor
from serving.servables.model_store import ServedVersion, session_config
from tests.benchmarks import exported_variants
from tfseg import export
from tfseg.checkpoint import trained_model
from tfseg.inference import maskrcnn_inference, serving_module
from tfseg.modeling.attribute_head import add_attribute_head
from tfseg.structures import thresholds
from tfseg.structures.colour_terms import COLOUR_NAMES

FLAGS = flags.FLAGS
_KINDS = ("sleeve length", "neckline", "closure", "pattern", "length", "material", "waistline")


def define_flags() -> None:
    """Defines the flags."""
    flags.DEFINE_string("model_dir", None, "A model trained with attributes.")
    flags.DEFINE_string("photos_dir", None, "JPEGs.", required=True)
    flags.DEFINE_integer("num_photos", 8, "The first so many photos of it.", 1)
    flags.DEFINE_integer("num_rounds", 40, "Timed calls of each.", 1)
    flags.DEFINE_integer("num_attributes", 92, "Of the head of random weights; 92 are FGVC6's.", 1)
    flags.DEFINE_bool("colours", False, "Colours by the photo's pixels, in place of a head.")
    flags.DEFINE_integer("num_said", 3, "Attributes of a garment, of the same.", 1)


def attribute_names(num_attributes: int) -> list[str]:
    """Names as long as FGVC6's: 16 letters on average."""
    names = [f"{colour} {kind}" for kind in _KINDS for colour in COLOUR_NAMES]
    return [names[i] if i < len(names) else f"attribute {i}" for i in range(num_attributes)]


def export_both(folder: Path, photos: list[bytes]) -> tuple[Path, Path]:
    """Writes the SavedModels with and without the head."""
    source = FLAGS.model_dir or "fashion_lite"
    trained = trained_model.load_trained(source)
    tuned = thresholds.load(FLAGS.model_dir) if FLAGS.model_dir else None
    tuned = tuned or thresholds.DEFAULT
    task = trained.params.task
    task.name_colours = FLAGS.colours
    names = list(maskrcnn_inference.attribute_names(trained.model, task.name_colours))
    said_from = tuned.of_attributes(names)
    if not names:
        task.attribute_head.enabled = True
        names = task.attribute_names = attribute_names(FLAGS.num_attributes)
        add_attribute_head(trained.model, task)
        variables = trained.model.attribute_head.variables
        [kernel] = [one for one in variables if one.name.endswith("attribute-scores/kernel:0")]
        kernel.assign(8 * kernel)  # as sure as a trained one's: scores from 0 to 1
        probe = serving_module.module_from_trained(trained, 0.5)
        scores = probe.detect(tf.constant(photos))["attribute_scores"].numpy().astype(np.float64)
        scores = scores[scores.max(axis=2) > 0]
        share = FLAGS.num_said / len(names)
        said_from = (np.quantile(scores, 1 - share, axis=0, method="higher") / 255).tolist()
    score_thresholds = tuned.of_categories(trained.category_names).tolist()

    def save(name: str, **attributes) -> Path:
        module = serving_module.module_from_trained(trained, score_thresholds, **attributes)
        (folder / name).mkdir()
        export.save_module(module, folder / name)
        return folder / name

    with_head = save("with", attribute_thresholds=said_from)
    trained.model.attribute_head, task.name_colours = None, False
    return with_head, save("without")


def reply_bytes(outputs: dict[str, np.ndarray]) -> int:
    """Bytes of the PredictResponse that the server makes of the outputs."""
    response = predict_pb2.PredictResponse()
    for name, values in outputs.items():
        set_tensor(response.outputs[name], values)
    return response.ByteSize()


def run(served: ServedVersion, photo: bytes) -> dict[str, np.ndarray]:
    """Answers a request of one photo."""
    signature = served.signatures["serving_default"]
    names = list(signature.outputs)
    values = served.run(
        {signature.inputs["image_bytes"].name: np.array([photo], object)},
        [signature.outputs[name].name for name in names],
    )
    return dict(zip(names, values, strict=True))


def main(_) -> None:
    """Prints both ratios."""
    photos = exported_variants.photos(FLAGS.photos_dir, FLAGS.num_photos)
    with tempfile.TemporaryDirectory() as folder:
        paths = export_both(Path(folder), photos)
        served = [ServedVersion(1, path, session_config("")) for path in paths]
        answers = [[run(one, photo) for one in served] for photo in photos]  # warms up, too
    sizes = np.array([[reply_bytes(outputs) for outputs in pair] for pair in answers], float)
    wall, cpu = np.zeros((FLAGS.num_rounds, 2)), np.zeros((FLAGS.num_rounds, 2))
    for number in range(FLAGS.num_rounds):
        for which in (0, 1) if number % 2 else (1, 0):
            start, start_cpu = time.perf_counter(), time.process_time()
            run(served[which], photos[number // 2 % len(photos)])
            wall[number, which] = time.perf_counter() - start
            cpu[number, which] = time.process_time() - start_cpu
    garments = [int(pair[0]["num_detections"][0]) for pair in answers]
    said = sum(
        pair[0]["attributes"][0][i].count(b"\n") + bool(pair[0]["attributes"][0][i])
        for pair, n in zip(answers, garments, strict=True)
        for i in range(n)
    )
    print(f"{len(photos)} photos, {sum(garments)} garments, {said} attributes said")
    for name, values in (("wall", wall), ("cpu", cpu)):
        ratio = np.median(values[:, 0] / values[:, 1])
        print(f"{name}: {np.median(values[:, 1]):.4f} s without, ratio {ratio:.3f}")
    ratio = sizes[:, 0].sum() / sizes[:, 1].sum()
    print(f"reply bytes: {sizes[:, 1].mean():.0f} without, ratio {ratio:.3f}")
    total = sum(reply_bytes({"attributes": pair[0]["attributes"]}) for pair in answers)
    print(f"  attributes: {total / len(photos):.0f} bytes a photo")


if __name__ == "__main__":
    define_flags()
    tf.get_logger().setLevel("ERROR")
    app.run(main)
