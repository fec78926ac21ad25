"""Datumaro, which CVAT reads and writes COCO with: one of its formats to another.

python datumaro_convert.py IN_DIR IN_FORMAT OUT_DIR OUT_FORMAT [stream]
"""

import sys

import datumaro

in_dir, in_format, out_dir, out_format, *stream = sys.argv[1:]
kind = datumaro.StreamDataset if stream else datumaro.Dataset
dataset = kind.import_from(in_dir, in_format)
print(len(dataset), sum(len(item.annotations) for item in dataset))
dataset.export(out_dir, out_format, save_media=True)
