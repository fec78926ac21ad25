"""labelme: draws the masks of a json with labelme's own code, and saves the json anew.

python labelme_masks.py IN.json OUT.npz OUT.json
"""

import base64
import io
import sys

import numpy as np
import PIL.Image
from labelme._label_file import LabelFile
from labelme.utils import img_data_to_arr
from labelme.utils.shape import shapes_to_label

in_path, masks_path, out_path = sys.argv[1:]
label_file = LabelFile(in_path)
shape = img_data_to_arr(label_file.image_data).shape
masks, saved = {}, []
for index, one in enumerate(label_file.shapes):
    drawn, _ = shapes_to_label(shape, [one], {one["label"]: 1})
    masks[f"{index:03d} {one['group_id']} {one['label']}"] = drawn > 0
    entry = {k: v for k, v in one.items() if k not in ("mask", "other_data")}
    if one["mask"] is not None:
        file = io.BytesIO()
        PIL.Image.fromarray(one["mask"].astype(np.uint8)).save(file, "PNG")
        entry["mask"] = base64.b64encode(file.getvalue()).decode()
    saved.append(entry)
np.savez(masks_path, **masks)
height, width = shape[:2]
if hasattr(label_file, "save"):
    label_file.save(out_path, saved, label_file.image_path, height, width)
else:
    from labelme._label_file import write_label_file

    write_label_file(
        out_path,
        shapes=saved,
        image_path=label_file.image_path,
        image_height=height,
        image_width=width,
    )
