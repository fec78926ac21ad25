"""Which of a COCO json's categories are of instances."""

import sys

from data_prep.readers.coco_json import CocoJson


def used_categories(coco: CocoJson) -> dict[int, str]:
    """A json's categories by id, without the group that Roboflow puts over all of them.

    Raises:
        ValueError: There is none, or two have one name.
    """
    names = dict(coco.category_names)
    for raw_id, name in coco.category_names.items():
        others = [coco.supercategories[other] for other in names if other != raw_id]
        is_group = coco.supercategories[raw_id] == "none" and others and set(others) == {name}
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
    for name in names.values():
        ids = [raw_id for raw_id, other in names.items() if other == name]
        if len(ids) > 1:
            counts = ", ".join(
                f"id {i} with {coco.num_annotations_by_category[i]} annotations" for i in ids
            )
            raise ValueError(
                f"{coco.path}: the category {name!r} is there {len(ids)} times ({counts}), "
                "expected each name once; give one of them another name, or its annotations "
                "the other's id."
            )
    return names
