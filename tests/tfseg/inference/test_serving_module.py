import cv2
import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as coco_mask

from tfseg.inference.preprocessing import input_layout, inputs_from_bytes
from tfseg.inference.serving_module import ServingModule
from tfseg.structures import thresholds

pytestmark = pytest.mark.slow

PER_BOX = ("boxes_yxyx", "class_ids", "class_names", "scores", "mask_rle")


def make_photo(height, width, seed=0, extension=".png"):
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    image = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(extension, image)[1].tobytes()


def detect(module, images):
    outputs = module.detect(tf.constant(images, tf.string))
    return {name: value.numpy() for name, value in outputs.items()}


def count_mask_differences(counts, other_counts, image_size_hw):
    masks = [
        coco_mask.decode({"size": list(image_size_hw), "counts": c}) for c in (counts, other_counts)
    ]
    return np.count_nonzero(masks[0] != masks[1])


def paste(probs, box_yxyx, image_size_hw):
    """Every pixel of the photo: linear between cell centres, zero outside (as Detectron2)."""

    def weights(low, high, num_pixels, num_cells):
        cell = (np.arange(num_pixels) + 0.5 - low) / (high - low) * num_cells - 0.5
        return np.maximum(0, 1 - np.abs(cell[:, None] - np.arange(num_cells)))

    rows = weights(box_yxyx[0], box_yxyx[2], image_size_hw[0], probs.shape[0])
    columns = weights(box_yxyx[1], box_yxyx[3], image_size_hw[1], probs.shape[1])
    return rows @ probs @ columns.T >= 0.5


def run(function, *arguments):
    return {name: value.numpy() for name, value in function(*arguments).items()}


def test_detect_signature(tiny_module):
    outputs = detect(tiny_module, [make_photo(50, 80)])

    layout = {name: (value.dtype.name, value.shape) for name, value in outputs.items()}
    assert layout == {
        "ok": ("bool", (1,)),
        "error": ("object", (1,)),
        "num_detections": ("int32", (1,)),
        "boxes_yxyx": ("float32", (1, 6, 4)),
        "class_ids": ("int32", (1, 6)),
        "class_names": ("object", (1, 6)),
        "scores": ("float32", (1, 6)),
        "mask_rle": ("object", (1, 6)),
        "image_size_hw": ("int32", (1, 2)),
    }


def test_detect_equals_the_full_model(tiny_module, tiny_model, monkeypatch):
    sizes = [(150, 230), (90, 40)]
    photos = [make_photo(*size, seed=seed) for seed, size in enumerate(sizes)]
    for part in (tiny_model.backbone, tiny_model.decoder):
        monkeypatch.setattr(part, "input_spec", None)  # for the second, which needs 64 x 32 pixels

    outputs = detect(tiny_module, photos)

    for index, (photo, size) in enumerate(zip(photos, sizes, strict=True)):
        inputs = inputs_from_bytes(tf.constant([photo]), input_layout((64, 96), 5, 5), 10**6)
        height, width = inputs.used_size_hw[0].numpy()
        scaled_size_hw = tf.cast(inputs.scaled_size_hw, tf.float32)
        full = tiny_model(inputs.images[:, :height, :width], image_shape=scaled_size_hw)
        full = {name: full[name][0].numpy() for name in full if name.startswith("detection_")}
        scale = np.tile(scaled_size_hw[0].numpy() / np.array(size, np.float32), 2)
        boxes = full["detection_boxes"] / scale
        (real,) = np.nonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))  # some have no area
        assert outputs["num_detections"][index] == len(real) >= 3
        found = {name: outputs[name][index, : len(real)] for name in outputs if name in PER_BOX}
        assert found["class_ids"].tolist() == full["detection_classes"][real].tolist()
        np.testing.assert_allclose(found["scores"], full["detection_scores"][real], atol=1e-5)
        np.testing.assert_allclose(found["boxes_yxyx"], boxes[real], atol=0.01)
        for j, box, counts in zip(real, found["boxes_yxyx"], found["mask_rle"], strict=True):
            mask = paste(full["detection_masks"][j], box, size)
            decoded = coco_mask.decode({"size": list(size), "counts": counts})
            assert np.count_nonzero(decoded != mask) <= 0.002 * mask.size


def test_detect_values(tiny_module):
    outputs = detect(tiny_module, [make_photo(150, 230)])

    assert outputs["image_size_hw"].tolist() == [[150, 230]]
    boxes, scores = outputs["boxes_yxyx"][0], outputs["scores"][0]
    assert (boxes >= 0).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert (boxes[:, 2] <= 150).all()
    assert (boxes[:, 3] <= 230).all()
    assert boxes[:, 2].max() > 96  # original pixels, not the network's 64
    assert (np.diff(scores) <= 0).all()
    names = {1: b"bag", 2: b"belt", 3: b"boots"}
    assert outputs["class_names"][0].tolist() == [names[i] for i in outputs["class_ids"][0]]
    for counts, box in zip(outputs["mask_rle"][0], boxes, strict=True):
        mask = coco_mask.decode({"size": [150, 230], "counts": counts})
        ys, xs = np.nonzero(mask)
        assert ys.min() + 0.5 >= box[0]
        assert xs.min() + 0.5 >= box[1]
        assert ys.max() + 0.5 <= box[2]
        assert xs.max() + 0.5 <= box[3]


def test_detect_mixed_batch_answers_as_alone(tiny_module):
    first, second = make_photo(150, 230), make_photo(90, 40, seed=1, extension=".jpg")
    alone = [detect(tiny_module, [photo]) for photo in (first, second)]

    outputs = detect(tiny_module, [b"broken", first, b"", second])

    assert outputs["ok"].tolist() == [False, True, False, True]
    assert outputs["error"][0].startswith(b"not an image")
    assert outputs["error"][2].startswith(b"the image is empty")
    assert outputs["error"][[1, 3]].tolist() == [b"", b""]
    assert outputs["image_size_hw"].tolist() == [[0, 0], [150, 230], [0, 0], [90, 40]]
    for index, expected in ((1, alone[0]), (3, alone[1])):
        num_detections = expected["num_detections"][0]
        assert outputs["num_detections"][index] == num_detections
        for name in ("boxes_yxyx", "scores"):
            np.testing.assert_allclose(
                outputs[name][index, :num_detections], expected[name][0], rtol=1e-3, atol=1e-2
            )
        assert (
            outputs["class_names"][index, :num_detections].tolist()
            == expected["class_names"][0].tolist()
        )
        for counts, expected_counts in zip(
            outputs["mask_rle"][index], expected["mask_rle"][0], strict=False
        ):
            size = outputs["image_size_hw"][index]
            assert count_mask_differences(counts, expected_counts, size) <= 0.01 * size.prod()


def test_detect_padding_of_failed_images(tiny_module):
    outputs = detect(tiny_module, [b"broken", make_photo(50, 80)])

    assert outputs["num_detections"][0] == 0
    assert not outputs["boxes_yxyx"][0].any()
    assert not outputs["scores"][0].any()
    assert not outputs["class_ids"][0].any()
    assert set(outputs["class_names"][0].tolist()) == {b""}
    assert set(outputs["mask_rle"][0].tolist()) == {b""}


@pytest.mark.parametrize("images", [[], [b"broken"], [b"", b"broken"]])
def test_detect_nothing_to_do(tiny_module, images):
    outputs = detect(tiny_module, images)

    assert outputs["ok"].tolist() == [False] * len(images)
    assert outputs["boxes_yxyx"].shape == (len(images), 0, 4)
    assert outputs["mask_rle"].shape == (len(images), 0)
    assert outputs["image_size_hw"].tolist() == [[0, 0]] * len(images)


@pytest.fixture
def eager_functions():
    """Runs functions without building their graphs, which would take longer than the test."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def test_detect_leaves_out_what_scores_less(tiny_model, tiny_module, eager_functions):
    photos = [make_photo(150, 230), make_photo(90, 40, seed=1)]
    everything = detect(tiny_module, photos)
    threshold = float(np.sort(everything["scores"].ravel())[-4]) - 1e-6

    module = ServingModule(tiny_model, (64, 96), 5, ("bag", "belt", "boots"), threshold)
    outputs = detect(module, photos)

    assert outputs["num_detections"].sum() == 4
    assert outputs["scores"].shape[1] == outputs["num_detections"].max() < 6
    for index, num_detections in enumerate(outputs["num_detections"]):
        np.testing.assert_allclose(
            outputs["scores"][index, :num_detections],
            everything["scores"][index, :num_detections],
            atol=1e-6,
        )
        assert (outputs["scores"][index, num_detections:] == 0).all()
        assert set(outputs["mask_rle"][index, num_detections:].tolist()) <= {b""}


def test_detect_photo_without_detections(tiny_model, eager_functions):
    module = ServingModule(tiny_model, (64, 96), 5, ("bag", "belt", "boots"), score_threshold=1.0)

    outputs = detect(module, [make_photo(150, 230)])

    assert outputs["ok"].tolist() == [True]
    assert outputs["num_detections"].tolist() == [0]
    assert outputs["scores"].shape == (1, 0)
    assert outputs["image_size_hw"].tolist() == [[150, 230]]


def test_detect_refuses_images_over_max_pixels(tiny_model, eager_functions):
    module = ServingModule(tiny_model, (64, 96), 5, ("bag", "belt", "boots"), max_pixels=1000)

    outputs = detect(module, [make_photo(50, 80), make_photo(20, 30)])

    assert outputs["ok"].tolist() == [False, True]
    assert outputs["error"][0] == (
        b"the image has 80x50 pixels; at most 1000 pixels are accepted, send it smaller"
    )


def test_detect_refuses_more_than_max_images_before_it_reads_them(tiny_model):
    module = ServingModule(tiny_model, (64, 96), 5, ("bag", "belt", "boots"), max_images=2)
    pixels = tf.zeros([3, 8, 8, 3], tf.uint8)

    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 2 images; send fewer"):
        module.detect(tf.constant([b"", b"", b""]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 2 images; send fewer"):
        module.detect_pixels(pixels)


def test_detect_above_lifts_and_raises_the_threshold_by_image(tiny_model, eager_functions):
    module = ServingModule(tiny_model, (64, 96), 5, ("bag", "belt", "boots"), score_threshold=1.0)
    photo = make_photo(150, 230)

    outputs = run(
        module.detect_above,
        tf.constant([b"broken", photo, photo, photo, photo]),
        tf.constant([0.0, 0.0, -1.0, np.nan, 1.0]),
    )

    assert outputs["ok"].tolist() == [False, True, True, True, True]
    assert outputs["num_detections"].tolist() == [0, 6, 0, 0, 0]
    one = run(module.detect_above, tf.constant([photo, photo]), tf.constant([0.0]))
    assert one["num_detections"].tolist() == [6, 6]


def test_detect_thresholds_by_category(tiny_model, tiny_module, eager_functions):
    photos = tf.constant([make_photo(150, 230), make_photo(90, 40, seed=1)])
    everything = detect(tiny_module, photos)
    kept = everything["class_ids"] == 2
    assert 0 < kept.sum() < kept.size

    module = ServingModule(tiny_model, (64, 96), 5, ("bag", "belt", "boots"), (1.0, 0.0, 1.0))
    outputs = detect(module, photos)

    assert outputs["num_detections"].tolist() == kept.sum(axis=1).tolist()
    assert set(outputs["class_names"].ravel().tolist()) <= {b"belt", b""}


def test_detect_second_nms_equals_numpy(tiny_model, tiny_module, eager_functions):
    photo = make_photo(150, 230)
    everything = detect(tiny_module, [photo])
    kept = thresholds.nms(
        everything["boxes_yxyx"][0], everything["scores"][0], everything["class_ids"][0], 0.1
    )
    assert 0 < kept.sum() < 6

    module = ServingModule(tiny_model, (64, 96), 5, ("bag", "belt", "boots"), nms_iou=0.1)
    outputs = detect(module, [photo])

    np.testing.assert_allclose(outputs["boxes_yxyx"][0], everything["boxes_yxyx"][0, kept])


def test_detect_takes_fewer_proposals(tiny_model, eager_functions):
    module = ServingModule(tiny_model, (64, 96), 5, ("bag", "belt", "boots"), num_proposals=2)

    outputs = detect(module, [make_photo(150, 230)])

    assert outputs["num_detections"][0] <= 2 * 3
    assert tiny_model.roi_generator.get_config()["test_num_proposals"] == 20


def test_detect_pixels_equals_encoded(tiny_module, eager_functions):
    photos = [make_photo(150, 230, seed=seed) for seed in (0, 1)]
    decoded = [cv2.imdecode(np.frombuffer(photo, np.uint8), 1)[..., ::-1] for photo in photos]

    outputs = run(tiny_module.detect_pixels, tf.constant(np.stack(decoded)))

    expected = detect(tiny_module, photos)
    assert outputs.keys() == expected.keys()
    np.testing.assert_allclose(outputs["boxes_yxyx"], expected["boxes_yxyx"], atol=1e-3)
    assert outputs["mask_rle"].tolist() == expected["mask_rle"].tolist()


def test_detect_pixels_grey_alpha_and_refusals(tiny_model, eager_functions):
    module = ServingModule(tiny_model, (64, 96), 5, ("bag", "belt", "boots"), max_pixels=5000)

    def reasons(*shape):
        outputs = run(module.detect_pixels, tf.zeros(shape, tf.uint8))
        assert outputs["ok"].tolist() == [reason == b"" for reason in outputs["error"].tolist()]
        return outputs["error"].tolist()

    assert reasons(1, 50, 80, 1) == reasons(1, 50, 80, 2) == reasons(1, 50, 80, 4) == [b""]
    assert reasons(2, 50, 80, 5) == [b"the image has 5 channels, expected 1 to 4"] * 2
    assert reasons(1, 50, 0, 3) == [b"the image has 0x50 pixels"]
    assert reasons(0, 50, 80, 3) == []
    assert reasons(1, 80, 90, 3)[0].startswith(b"the image has 90x80 pixels; at most 5000 pixels")


def test_detect_crops_paste_to_the_same_masks(tiny_module, eager_functions):
    photos = [b"broken", make_photo(150, 230)]
    expected = detect(tiny_module, photos)

    outputs = run(tiny_module.detect_crops, tf.constant(photos))

    assert outputs.keys() == (expected.keys() - {"mask_rle"}) | {"mask_crops"}
    crops = outputs["mask_crops"]
    assert crops.dtype == np.uint8
    assert crops.shape == (2, 6, 28, 28)
    assert not crops[0].any()
    for crop, box, counts in zip(
        crops[1], outputs["boxes_yxyx"][1], expected["mask_rle"][1], strict=True
    ):
        pasted = paste(crop / 255.0, box, (150, 230))
        decoded = coco_mask.decode({"size": [150, 230], "counts": counts})
        assert np.count_nonzero(decoded != pasted) <= 0.002 * decoded.size


def test_serving_module_threshold_out_of_range(tiny_model):
    with pytest.raises(ValueError, match="score_threshold: got 1.5, expected 0 to 1"):
        ServingModule(tiny_model, (64, 96), 5, ("bag", "belt", "boots"), score_threshold=1.5)


def test_serving_module_number_of_thresholds(tiny_model):
    with pytest.raises(ValueError, match="got 2 numbers, expected one, or one for each of 3"):
        ServingModule(tiny_model, (64, 96), 5, ("bag", "belt", "boots"), score_threshold=(0.5, 0.5))


@pytest.mark.parametrize("as_crops", [False, True])
def test_a_mask_without_a_pixel_is_not_answered(as_crops):
    from tfseg.inference import serving_module

    found = {
        "boxes_yxyx": tf.constant([[[0.0, 0, 4, 4], [0, 0, 5, 5], [0, 0, 6, 6]]] * 2),
        "class_ids": tf.constant([[1, 2, 3], [4, 5, 6]]),
        "scores": tf.constant([[0.9, 0.8, 0.7], [0.6, 0.5, 0.4]]),
        "kept": tf.constant([[True, True, True], [True, False, False]]),
        # The second and the last have no cell of 0.5.
        "mask_probs": tf.constant([0.9, 0.4, 0.6, 0.3])[:, None, None] * tf.ones([4, 2, 2]),
    }
    size_hw = tf.constant([[8, 8], [8, 8]])

    answer = serving_module._with_masks(found, size_hw, as_crops)

    assert answer["kept"].numpy().tolist() == [[True, True, False], [False, False, False]]
    assert answer["class_ids"].numpy()[0, :2].tolist() == [1, 3]
    assert answer["boxes_yxyx"].numpy()[0, 1].tolist() == [0, 0, 6, 6]
    second = answer["masks"].numpy()[0, 1]
    if as_crops:
        assert second.max() == 153
    else:
        assert 0 < coco_mask.area({"size": [8, 8], "counts": second}) <= 36
