"""One COCO record and its photo -> AnnotatedImage, with everything put right that can be."""

import json
from typing import Any

from data_prep import masks
from data_prep.annotated_image import AnnotatedImage, BBox, Instance
from data_prep.coco_json import CocoRecord
from data_prep.photos import PhotoError, prepare_photo
from data_prep.raw_dataset import Conversion, Note

# Rasterising traces every edge pixel by pixel: coordinates beyond this many image sides are
# damage, not an object that reaches past the edge.
_MAX_SIDES_OUTSIDE = 10


def convert_coco_record(
    record: CocoRecord,
    photo_bytes: bytes | None,
    num_categories: int,
    max_side: int | None,
    keep_empty: bool,
) -> Conversion:
    """Makes an AnnotatedImage; box and area come from the masks.

    Args:
        record: from CocoJson.record.
        photo_bytes: the photo's file; None where there is none.
        num_categories: annotations of other categories are dropped.
        max_side: the longest side to keep, pixels; None keeps the size.
        keep_empty: keep a photo that has no annotations.
    """
    conversion = Conversion()
    annotations = [json.loads(text) for text in record.annotation_texts]
    try:
        if photo_bytes is None:
            raise PhotoError("photo_missing", "is not there")
        size_hw = (record.image.height, record.image.width)
        photo = prepare_photo(photo_bytes, max_side, size_hw)
    except PhotoError as error:
        return _left_out(conversion, annotations, error.reason)
    image_id = record.image.image_id
    conversion.repairs += [Note(change, image_id) for change in photo.changes]
    instances = []
    for annotation in annotations:
        instance = _instance(annotation, record, photo, num_categories, conversion)
        if instance is not None:
            instances.append((annotation["id"], instance))
    instances = _merge_duplicates(instances, conversion)
    if not instances and not keep_empty:
        conversion.repairs.clear()
        conversion.dropped.clear()
        return _left_out(conversion, annotations, "no_usable_annotation")
    conversion.image = AnnotatedImage(
        image_id,
        record.image.file_name,
        photo.encoded,
        photo.height,
        photo.width,
        tuple(instances),
    )
    return conversion


def _left_out(conversion: Conversion, annotations: list[dict], reason: str) -> Conversion:
    conversion.left_out_reason = reason
    conversion.dropped += [Note("photo_left_out", a["id"]) for a in annotations]
    return conversion


def _instance(annotation, record, photo, num_categories, conversion) -> Instance | None:
    def drop(reason: str) -> None:
        conversion.dropped.append(Note(reason, annotation["id"]))

    if not 1 <= annotation["category_id"] <= num_categories:
        return drop("unknown_category")
    try:
        polygons = _usable_polygons(annotation, record, conversion)
    except ValueError as error:
        return drop(str(error))
    if not polygons:
        return drop("no_polygon_of_3_points")
    if _is_box_elsewhere(annotation.get("bbox"), _extent(polygons)):
        conversion.repairs.append(Note("box_of_another_instance", annotation["id"]))
    scale_x = photo.width / record.image.width
    scale_y = photo.height / record.image.height
    if (scale_x, scale_y) != (1.0, 1.0):
        polygons = [_scaled(polygon, scale_x, scale_y) for polygon in polygons]
    rle = masks.rle_from_polygons(polygons, photo.height, photo.width)
    area = masks.area_from_rle(rle)
    if area == 0:
        return drop("empty_mask")
    return Instance(
        category_id=annotation["category_id"],
        rle=rle,
        bbox=masks.bbox_from_rle(rle),
        area=area,
        is_crowd=bool(annotation.get("iscrowd", 0)),
    )


def _usable_polygons(annotation: dict, record: CocoRecord, conversion: Conversion) -> list:
    """Leaves out polygons under three points; ValueError(reason) where none can be trusted."""
    segmentation = annotation["segmentation"]
    if not isinstance(segmentation, list):
        raise ValueError("segmentation_not_polygons")
    height, width = record.image.height, record.image.width
    polygons = []
    for polygon in segmentation:
        if not _is_polygon(polygon, _MAX_SIDES_OUTSIDE * max(height, width)):
            raise ValueError("malformed_polygon")
        if len(polygon) < 6:
            conversion.repairs.append(Note("polygon_under_3_points", annotation["id"]))
        else:
            polygons.append(polygon)
    if polygons:
        extent = _extent(polygons)
        if extent.xmin < 0 or extent.ymin < 0 or extent.xmax > width or extent.ymax > height:
            conversion.repairs.append(Note("clipped_to_photo", annotation["id"]))
    return polygons


def _is_polygon(polygon: Any, limit: float) -> bool:
    if not isinstance(polygon, list) or len(polygon) % 2:
        return False
    if not set(map(type, polygon)) <= {int, float}:
        return False
    # Written so that NaN is out of range too.
    return all(-limit <= value <= limit for value in polygon)


def _extent(polygons: list) -> BBox:
    xs = [x for polygon in polygons for x in polygon[0::2]]
    ys = [y for polygon in polygons for y in polygon[1::2]]
    return BBox(min(xs), min(ys), max(xs), max(ys))


def _is_box_elsewhere(bbox_xywh: Any, extent: BBox) -> bool:
    """Whether a raw box has its polygon's size but another place.

    ModaNet's pairs of shoes: bbox [200, 506, 27, 53] with its polygon at [109, 473, 27, 53].
    """
    if not isinstance(bbox_xywh, list) or len(bbox_xywh) != 4:
        return False
    if not set(map(type, bbox_xywh)) <= {int, float}:
        return False
    x, y, width, height = bbox_xywh
    same_size = abs(width - extent.width) <= 1 and abs(height - extent.height) <= 1
    same_place = abs(x - extent.xmin) <= 1 and abs(y - extent.ymin) <= 1
    return same_size and not same_place


def _scaled(polygon: list, scale_x: float, scale_y: float) -> list[float]:
    return [v * (scale_y if i % 2 else scale_x) for i, v in enumerate(polygon)]


def _merge_duplicates(instances: list, conversion: Conversion) -> list[Instance]:
    """Keeps the first of instances of one category with the very same mask."""
    merged = {}
    for annotation_id, instance in instances:
        key = (instance.category_id, instance.is_crowd, bytes(instance.rle["counts"]))
        if key in merged:
            conversion.dropped.append(Note("duplicate_merged", annotation_id))
        else:
            merged[key] = instance
    return list(merged.values())
