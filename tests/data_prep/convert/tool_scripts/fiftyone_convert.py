"""FiftyOne's own importers and its COCO exporter; without a Dataset, which wants a database.

python fiftyone_convert.py PHOTOS_DIR LABELS_PATH coco|cvat_xml OUT_DIR
"""

import sys

from fiftyone.core.labels import Detections
from fiftyone.utils.coco import COCODetectionDatasetExporter, COCODetectionDatasetImporter
from fiftyone.utils.cvat import CVATImageDatasetImporter

photos_dir, labels_path, source, out_dir = sys.argv[1:]
if source == "coco":
    importer = COCODetectionDatasetImporter(
        data_path=photos_dir, labels_path=labels_path, label_types="segmentations"
    )
else:
    importer = CVATImageDatasetImporter(data_path=photos_dir, labels_path=labels_path)
exporter = COCODetectionDatasetExporter(export_dir=out_dir)
with importer, exporter:
    for photo_path, metadata, labels in importer:
        label = next(iter(labels.values()), None) if isinstance(labels, dict) else labels
        exporter.export_sample(photo_path, label or Detections(), metadata)
