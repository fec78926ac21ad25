"""The measurements of a machine's GPUs as markdown, beside NVIDIA's."""

from tests.benchmarks.gpu_check.cases import Case

# NVIDIA DeepLearningExamples, TensorFlow2/Segmentation/MaskRCNN/README.md (NGC 21.02): R50-FPN,
# photos of 832 x 1344, batch 4 a GPU, mixed precision, A100 80 GB, images a second while training.
NVIDIA_ONE_GPU, NVIDIA_SCALING_OF_8 = 28.6, 4.04
NVIDIA_PIXELS = 832 * 1344
_INPUT_BOUND = 1.1  # this much quicker on a repeated batch
_COLUMNS = (
    "recipe",
    "pixels",
    "GPUs",
    "batch",
    "precision",
    "XLA",
    "images/s",
    "of NVIDIA's",
    "scaling",
    "on one batch again",
    "input-bound",
    "peak GiB",
    "first step, s",
    "losses",
)


def training_table(measured: dict[Case, dict]) -> list[str]:
    """Lines of markdown: a row a case, in their order.

    Args:
        measured: What train_case.measure returned; {"error": why} where a case failed.
    """
    lines = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    for case, found in measured.items():
        how = [str(case.num_gpus), "", case.precision, "on" if case.xla else "off"]
        if "error" in found:
            cells = [case.recipe, "", *how, f"**FAILED**: {found['error']}"]
            cells += [""] * (len(_COLUMNS) - len(cells))
        else:
            how[1] = str(found["batch"])
            cells = [case.recipe, found["size"], *how, *_figures(case, found, measured)]
        lines.append(f"| {' | '.join(cells)} |")
    nvidia = ["NVIDIA TF2, A100", "832 x 1344", "1", "4", "float16", "", str(NVIDIA_ONE_GPU)]
    eight = [*nvidia[:2], "8", "32", *nvidia[4:6], "114.5", "", f"{NVIDIA_SCALING_OF_8} of 8"]
    for row in (nvidia, eight):
        lines.append(f"| {' | '.join([*row, *[''] * (len(_COLUMNS) - len(row))])} |")
    return lines


def _figures(case: Case, found: dict, measured: dict[Case, dict]) -> list[str]:
    rate, cached = found["images_a_second"], found["cached_images_a_second"]
    height, width = map(int, found["size"].split(" x "))
    of_nvidia = rate * height * width / (NVIDIA_ONE_GPU * NVIDIA_PIXELS)
    peak = found["peak_bytes"]
    return [
        f"{rate:.1f}",
        f"{rate / NVIDIA_ONE_GPU:.2f} ({of_nvidia:.2f} by pixels)" if case.num_gpus == 1 else "",
        scaling(case, measured),
        f"{cached:.1f}",
        "yes" if cached > _INPUT_BOUND * rate else "no",
        "not told" if peak is None else f"{peak / 2**30:.1f}",
        f"{found['first_step_s']:.0f}",
        "finite" if found["finite"] else "**NOT FINITE**",
    ]


def scaling(case: Case, measured: dict[Case, dict]) -> str:
    """How many times one GPU's rate it is, "3.62 of 4"; "" where that is not known.

    One GPU's is of the same recipe and precision; of other XLA where there is no other, which the
    text then says.
    """
    if case.num_gpus == 1:
        return ""
    for xla in (case.xla, not case.xla):
        alone = measured.get(Case(case.recipe, 1, case.precision, xla), {})
        if "images_a_second" in alone:
            times = measured[case]["images_a_second"] / alone["images_a_second"]
            other = "" if xla == case.xla else f" (one with XLA {'on' if xla else 'off'})"
            return f"{times:.2f} of {case.num_gpus}{other}"
    return ""


def problems(measured: dict[Case, dict], all_reduce: list[dict], served: dict) -> list[str]:
    """One line for whatever failed."""
    found = [
        f"{case.recipe}, {case.num_gpus} GPUs, {case.precision}, XLA {case.xla}: "
        + (one.get("error") or "losses are not finite")
        for case, one in measured.items()
        if "error" in one or not one["finite"]
    ]
    found += [
        f"all-reduce over {one.get('num_gpus', '?')} GPUs: {one.get('error', 'wrong sums')}"
        for one in all_reduce
        if "error" in one or not one["right"]
    ]
    if served and not served.get("equal"):
        found.append(f"served answer: {served.get('error', 'the GPU answers otherwise')}")
    return found


def markdown(
    machine: str, measured: dict[Case, dict], all_reduce: list[dict], served: dict, left: list[Case]
) -> str:
    """The whole report.

    Args:
        machine: GPUs, cores and versions, in a line.
        measured: By case, as training_table takes it.
        all_reduce: What all_reduce.measure returned, for each number of GPUs.
        served: What served_answer.measure returned; empty where it was not asked.
        left: Cases for which no time was left.
    """
    lines = [f"### gpu_check on {machine}", "", *training_table(measured), ""]
    for one in all_reduce:
        if "error" not in one:
            bus = one["bus_gb_a_second"]
            speed = f", {bus:.1f} GB/s on the bus" if bus else ""
            sums = "right" if one["right"] else "**WRONG**"
            lines.append(f"- all-reduce over {one['num_gpus']} GPUs: sums {sums}{speed}")
    if "equal" in served:
        lines.append(
            f"- served answer, GPU against CPU: {'equal' if served['equal'] else '**OTHERWISE**'}, "
            f"{served['num_detections']} detections, least mask IoU {served['mask_iou']:.3f}, "
            f"largest difference of scores {served['score_difference']:.4f}"
        )
    lines += [f"- **problem**: {one}" for one in problems(measured, all_reduce, served)]
    if left:
        names = ", ".join(
            f"{one.recipe} on {one.num_gpus} ({one.precision}, XLA {'on' if one.xla else 'off'})"
            for one in left
        )
        lines.append(f"- not run, for want of time (--minutes): {names}")
    return "\n".join(lines) + "\n"
