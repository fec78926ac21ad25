"""What is measured on a machine's GPUs, the most telling first."""

import dataclasses
import sys
from pathlib import Path

from tests.tfseg.training.gpu_path.run_recipes import SMALL
from tfseg.configs import recipes

REPO_DIR = Path(__file__).resolve().parents[3]
BASE = "modanet_r50"
# The two last train the network of the first; what differs is the data.
RECIPES = (
    BASE,
    "modanet_r50_coco",
    "modanet_r50_1024",
    "modanet_r101",
    "modanet_lite0",
    "fgvc6_r50",
    "combined_r50",
)
PRECISIONS = ("bfloat16", "float32", "float16")


@dataclasses.dataclass(frozen=True)
class Case:
    """One training that is measured.

    Attributes:
        recipe: Name of a recipe in configs/.
        num_gpus: How many GPUs train it.
        precision: As runtime.mixed_precision_dtype.
        xla: Whether the step is compiled by XLA.
    """

    recipe: str
    num_gpus: int
    precision: str = PRECISIONS[0]
    xla: bool = True


def plan(names: list[str], num_gpus: int, xla_on_many: bool = True) -> list[Case]:
    """Lists the cases in the order in which they are worth their time.

    Args:
        names: Recipes; the first is measured in every way.
        num_gpus: GPUs of the machine.
        xla_on_many: Whether XLA can compile a step of several devices; for faked GPUs it cannot.
    """
    base = names[0]
    some = [n for n in (2, 4, 8, 16) if n < num_gpus]
    of_base = [Case(base, 1), Case(base, num_gpus)]
    on_all = [Case(name, num_gpus) for name in names[1:]]
    choices = [Case(base, 1, precision, xla) for xla in (False, True) for precision in PRECISIONS]
    rest = [Case(base, n) for n in some] + [Case(name, 1) for name in names[1:]]
    every = [*of_base, *on_all, *choices, Case(base, num_gpus, xla=False), *rest]
    if not xla_on_many:
        every = [
            dataclasses.replace(case, xla=False) if case.num_gpus > 1 else case for case in every
        ]
    return list(dict.fromkeys(every))


def build_params(case: Case, prepared_set, batch_per_gpu: int, small: bool):
    """Returns a recipe's params for the drawn photos; all but lengths is the recipe's own.

    Args:
        case: What is to be trained.
        prepared_set: The photos.
        batch_per_gpu: Photos a GPU and step.
        small: Shrink network and photos, so that a CPU does the steps.
    """
    from tfseg.configs import experiment

    _, *flags = recipes.expand(["train", f"--config={case.recipe}"])
    paths = [flag.removeprefix("--config_file=") for flag in flags]
    overrides = [
        *(SMALL if small else ()),
        f"task.train_data.global_batch_size={batch_per_gpu * case.num_gpus}",
        "trainer.train_steps=100000",
        "trainer.validation_epochs=0",
        f"runtime.enable_xla={str(case.xla).lower()}",
        f"runtime.mixed_precision_dtype={case.precision}",
    ]
    if case.precision != PRECISIONS[0]:
        overrides.append("task.train_data.dtype=float32")
    if small and "lite0" not in case.recipe:
        overrides.append("task.model.backbone.resnet.model_id=10")
    return experiment.build_params(
        *("maskrcnn_resnetfpn_fashion", paths, overrides, prepared_set, "train", case.num_gpus)
    )


def command(module: str, *arguments: str, faked_gpus: int = 0) -> list[str]:
    """The command line of a program, on GPUs faked by the CPU where so many are wanted."""
    faked = ["-m", "tests.tfseg.training.gpu_path.faked_gpus", str(faked_gpus)]
    return [sys.executable, *(faked if faked_gpus else ["-m"]), module, *arguments]
