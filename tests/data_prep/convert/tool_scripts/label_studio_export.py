"""Label Studio's own exports of tasks, and its own run lengths of masks.

python label_studio_export.py TASKS.json CONFIG.xml OUT_DIR
"""

import json
import sys
from pathlib import Path

import numpy as np
from label_studio_sdk.converter import Converter
from label_studio_sdk.converter.brush import decode_rle, mask2rle

tasks_path, config_path, out_dir = sys.argv[1:]
out = Path(out_dir)
converter = Converter(config_path, project_dir=None, download_resources=False)
converter.convert(tasks_path, str(out / "coco"), "COCO", is_dir=False)
tasks = json.loads(Path(tasks_path).read_text())
masks = {}
for task in tasks:
    for result in task["annotations"][0]["result"]:
        if "rle" not in result["value"]:
            continue
        size = result["original_height"], result["original_width"]
        pixels = decode_rle(result["value"]["rle"]).reshape(*size, 4)
        masks[f"{task['id']} {result['id']}"] = pixels[..., 3]
        result["value"]["rle"] = mask2rle(pixels[..., 3])
np.savez(out / "masks.npz", **masks)
(out / "tasks.json").write_text(json.dumps(tasks))
