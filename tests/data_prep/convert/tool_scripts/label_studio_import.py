"""Label Studio's converter: makes tasks of a COCO json; it reads polygons only.

python label_studio_import.py COCO.json TASKS.json
"""

import sys

from label_studio_converter.imports.coco import convert_coco_to_ls

in_path, out_path = sys.argv[1:]
convert_coco_to_ls(in_path, out_path, out_type="annotations", image_root_url="/data/upload/7/")
