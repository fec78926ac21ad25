"""supervision: reads a data set, writes it as COCO and as YOLO.

python supervision_convert.py coco PHOTOS_DIR COCO.json OUT_DIR
python supervision_convert.py yolo PHOTOS_DIR LABELS_DIR OUT_DIR DATA.yaml
"""

import sys
from pathlib import Path

import numpy as np
import supervision as sv

kind, photos_dir, labels_path, out_dir, *yaml_path = sys.argv[1:]
if kind == "coco":
    dataset = sv.DetectionDataset.from_coco(photos_dir, labels_path, force_masks=True)
else:
    dataset = sv.DetectionDataset.from_yolo(photos_dir, labels_path, yaml_path[0], force_masks=True)
out = Path(out_dir)
out.mkdir(parents=True)
print(len(dataset), sum(len(found) for _, _, found in dataset))
masks = {f"{name} {i}": m for name, _, d in dataset for i, m in enumerate(d.mask if len(d) else [])}
np.savez(out / "masks.npz", **masks)
dataset.as_coco(str(out / "coco/images"), str(out / "coco/labels.json"))
if kind == "yolo":
    dataset.as_yolo(str(out / "yolo/images"), str(out / "yolo/labels"), str(out / "yolo/data.yaml"))
