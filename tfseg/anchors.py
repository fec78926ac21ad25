"""Says how well a recipe's anchors fit a prepared data set, and which others would.

python -m tfseg.anchors --config=modanet_r50_coco --data_dir=PREPARED

Shares are of the train split's boxes whose best anchor has that IoU or more; the region proposal
network learns a box best from anchors of 0.7 and more.
"""

from absl import flags

from tfseg.configs import recipes
from tfseg.io import command_line

FLAGS = flags.FLAGS
_OTHERS = [(size, scales) for size in (2.0, 3.0, 4.0, 6.0, 8.0) for scales in (1, 2, 3)]


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    flags.DEFINE_string("config", None, "Recipe: its name, or the path of a .flags file.")
    flags.DEFINE_string("experiment", "maskrcnn_resnetfpn_fashion", "Registered experiment.")
    command_line.define_paths("config_file", [], "YAML file over the experiment; later ones win.")
    flags.DEFINE_multi_string("params_override", [], "KEY=VALUE over the YAML.")
    command_line.define_path("data_dir", None, "Folder with the prepared data set.", required=True)
    flags.DEFINE_string("dataset", None, "Name of the data set, where data_dir holds several.")
    flags.DEFINE_string("split", "train", "Whose boxes.")
    flags.DEFINE_list(
        "aspect_ratios", None, "Of the others, width over height, as 0.25,0.5,1,2; the recipe's."
    )
    flags.DEFINE_integer("num_photos", 5000, "The first so many photos.", 1)


def main(argv: list[str]) -> None:
    """Reads the flags and prints the tables."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors(again=None):
        from data_prep import prepared

        prepared_set = prepared.open_prepared(FLAGS.data_dir, FLAGS.dataset)
        prepared_set.num_examples(FLAGS.split)

        from tfseg.configs import experiment
        from tfseg.configs.maskrcnn import padded_size
        from tfseg.dataloaders import anchor_fit

        params = experiment.build_params(
            FLAGS.experiment, FLAGS.config_file, FLAGS.params_override, prepared_set
        )
        model = params.task.model
        height, width = padded_size(model)
        own = anchor_fit.Anchors(
            model.anchor.anchor_size,
            model.anchor.num_scales,
            tuple(model.anchor.aspect_ratios),
            model.min_level,
            model.max_level,
        )
        truth = prepared_set.ground_truth_path(FLAGS.split)
        boxes = anchor_fit.read_boxes(truth, tuple(model.input_size[:2]), FLAGS.num_photos)
        _print_categories(boxes, own, (height, width), prepared_set.category_names)
        ratios = _ratios(FLAGS.aspect_ratios) if FLAGS.aspect_ratios else own.aspect_ratios
        _print_others(boxes, own, ratios, (height, width))


def _ratios(texts: list[str]) -> tuple[float, ...]:
    try:
        ratios = tuple(float(one) for one in texts)
    except ValueError:
        ratios = ()
    if not ratios or min(ratios) <= 0:
        raise ValueError(
            f"--aspect_ratios={','.join(texts)}: expected numbers above 0, as 0.5,1,2 (width over "
            "height)."
        )
    return ratios


def _print_categories(boxes, own, size_hw, names) -> None:
    from tfseg.dataloaders import anchor_fit

    best = anchor_fit.best_iou(boxes, own, size_hw)
    ratios = ", ".join(f"{one:g}" for one in own.aspect_ratios)
    print(
        f"{len(best)} boxes, input {size_hw[0]} x {size_hw[1]}; anchors of size "
        f"{own.anchor_size:g}, {own.num_scales} within a factor of two, ratios {ratios}"
    )
    print(f"{'':14}{'boxes':>7}{'IoU .5':>9}{'IoU .7':>9}{'mean IoU':>10}")
    for index, name in enumerate(("all", *names)):
        of = best[boxes.category_ids == index] if index else best
        if len(of):
            shares = f"{100 * (of >= 0.5).mean():8.0f}%{100 * (of >= 0.7).mean():8.0f}%"
            print(f"{name[:13]:14}{len(of):7}{shares}{of.mean():10.2f}")


def _print_others(boxes, own, ratios, size_hw) -> None:
    import dataclasses

    from tfseg.dataloaders import anchor_fit

    others = dataclasses.replace(own, aspect_ratios=ratios)
    choices = {dataclasses.replace(others, anchor_size=a, num_scales=n) for a, n in _OTHERS} | {own}
    rows = []
    for anchors in sorted(choices, key=lambda one: (one.anchor_size, one.num_scales)):
        best = anchor_fit.best_iou(boxes, anchors, size_hw)
        rows.append(((best >= 0.5).mean(), (best >= 0.7).mean(), anchors))
    if ratios != own.aspect_ratios:
        print(f"\nothers have the ratios {', '.join(f'{one:g}' for one in ratios)}", end="")
    print(f"\n{'size':>5}{'scales':>8}{'IoU .5':>9}{'IoU .7':>9}{'anchors a photo':>17}")
    for at_5, at_7, anchors in rows:
        mark = "  (the recipe's)" if anchors == own else ""
        print(
            f"{anchors.anchor_size:5g}{anchors.num_scales:8}{100 * at_5:8.0f}%{100 * at_7:8.0f}%"
            f"{anchors.num_in(size_hw):17,}{mark}"
        )
    fewest = min(
        (row for row in rows if row[2].num_scales < 3), key=lambda row: (-round(row[1], 2), row[0])
    )[2]
    print(
        f"\nof at most two scales, size {fewest.anchor_size:g} with {fewest.num_scales} fits best: "
        f"--params_override=task.model.anchor.anchor_size={fewest.anchor_size:g} "
        f"--params_override=task.model.anchor.num_scales={fewest.num_scales}"
        + _ratios_override(fewest.aspect_ratios, own.aspect_ratios)
    )


def _ratios_override(ratios: tuple[float, ...], own: tuple[float, ...]) -> str:
    """The flag that sets them; nothing where they are the recipe's."""
    if ratios == own:
        return ""
    listed = ",".join(map(str, ratios))
    return f" --params_override=task.model.anchor.aspect_ratios=[{listed}]"


if __name__ == "__main__":
    command_line.run(define_flags, main, recipes.expand)
