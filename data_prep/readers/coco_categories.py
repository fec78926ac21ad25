"""Which of a COCO json's categories are of instances."""

import sys
from collections import Counter

from data_prep.readers.coco_json import CocoJson


def used_categories(coco: CocoJson) -> dict[int, str]:
    """A json's categories by id, without the group that Roboflow puts over all of them.

    Raises:
        ValueError: There is none, or two have one name.
    """
    names = dict(coco.category_names)
    num_members = Counter(coco.supercategories.values())
    for raw_id, name in coco.category_names.items():
        is_below_none = coco.supercategories[raw_id] == "none"
        num_others = num_members[name] - (name == "none")
        is_group = is_below_none and num_others == len(names) - 1 > 0
        if is_group and not coco.num_annotations_by_category[raw_id]:
            print(
                f"{coco.path.name}: the category {name!r} (id {raw_id}) is the group of the others "
                "and has no annotation; left out",
                file=sys.stderr,
            )
            del names[raw_id]
            break
    if not names:
        raise ValueError(f"{coco.path}: the list categories is empty, expected at least one.")
    for name, times in Counter(names.values()).items():
        if times > 1:
            ids = [raw_id for raw_id, other in names.items() if other == name]
            counts = ", ".join(
                f"id {i} with {coco.num_annotations_by_category[i]} annotations" for i in ids
            )
            raise ValueError(
                f"{coco.path}: the category {name!r} is there {len(ids)} times ({counts}), "
                "expected each name once; give one of them another name, or its annotations "
                "the other's id."
            )
    return names
