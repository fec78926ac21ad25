"""The steps of the loop, each a command of the project, done once."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.prepared import PreparedDataset, open_prepared
from tests.loop import review_figures
from tests.loop.ccp_part import copy_part
from tests.loop.simulated_reviewer import review_next, true_garments

REPOSITORY = Path(__file__).parents[2]
_TO_TRAIN_ON = "--max_side=448"  # pixels; the recipe trains at 384


@dataclass(frozen=True)
class Sizes:
    """How large all is; photos and steps."""

    num_seed_photos: int
    num_pool_photos: int
    photos_per_round: int
    num_steps: int


@dataclass(frozen=True)
class Loop:
    """The loop on one work_dir; what is done already is not done again.

    Attributes:
        work_dir: gets everything.
        ccp_dir: Clothing Co-Parsing.
        start: what the first model starts from, None: nothing; with first_photos, the first model
            itself.
        first_photos: file names that it was trained on; None: they are drawn, it is trained.
        given_prepared_dir: the data set ccp; None: made in work_dir.
        recipe: --flagfile of every training.
        params_overrides: of every training.
        sizes: of all.
    """

    work_dir: Path
    ccp_dir: Path
    start: Path | None
    first_photos: tuple[str, ...] | None
    given_prepared_dir: Path | None
    recipe: str
    params_overrides: tuple[str, ...]
    sizes: Sizes

    def begin(self) -> None:
        """Trains and judges the first model, on photos whose garments are all known."""
        if not self.given_prepared_dir:  # at the photos' own size, which the page shows
            self._build("prepared", "ccp", f"--raw_dir={self.ccp_dir}")
        seed_names, _ = self.photos()
        seed_dir = self.work_dir / "seed_photos"
        self._once("seed_photos", lambda: copy_part(self.ccp_dir, seed_names, seed_dir))
        self._build("seed", "ccp", f"--raw_dir={seed_dir}", "--val_percent=0", _TO_TRAIN_ON)
        if not self.first_photos:
            self._train(0, self.start, self.work_dir / "seed")
        self._evaluate("0", self.model_dir(0))

    def model_dir(self, number: int) -> Path:
        """Of the first model, 0, and of the one after each round."""
        if number == 0 and self.first_photos and self.start:
            return self.start
        return self.work_dir / f"model_{number}"

    def go_round(self, number: int) -> None:
        """Predicts with the model so far, corrects, builds, trains on, judges; from round 1 on."""
        before, review_dir = self.model_dir(number - 1), self.work_dir / "review"
        pool = self.work_dir / "pool.txt"
        paths = [str(self.ccp_dir / "photos" / name) for name in self.photos()[1]]
        pool.write_text("\n".join(paths) + "\n", encoding="utf-8")
        # Decisions stay; what is left is predicted anew, by the better model.
        self._command(
            f"predict_{number}",
            "tfseg.predict",
            f"--model_dir={before}",
            f"--input_list={pool}",
            f"--review_dir={review_dir}",
            "--overwrite",
        )
        wanted = number * self.sizes.photos_per_round
        self._once(f"review_{number}", lambda: self._review(review_dir, wanted))
        source = f"--review_dir={review_dir}"
        name = f"reviewed_{number}"
        self._build(name, "reviewed", source, "--val_percent=0", _TO_TRAIN_ON)
        seed = f"--mix_data_dirs={self.work_dir / 'seed'}"
        self._train(number, before, self.work_dir / name, seed)
        self._evaluate(str(number), self.model_dir(number))

    def train_control(self, num_rounds: int) -> None:
        """Trains the first model as long as the rounds do, in as many trainings, on its photos."""
        before = self.model_dir(0)
        for number in range(1, num_rounds + 1):
            name = f"control_{number}"
            self._train_into(name, before, self.work_dir / "seed")
            before = self.work_dir / name
        self._evaluate("control", before)

    def photos(self) -> tuple[list[str], list[str]]:
        """File names of the first photos and of those to be predicted: both of ccp's train.

        Raises:
            ValueError: ccp has not got so many.
        """
        truth = json.loads(self.prepared().ground_truth_path("train").read_text())
        names = sorted(image["file_name"] for image in truth["images"])
        num_seed = len(self.first_photos or ()) or self.sizes.num_seed_photos
        wanted = num_seed + self.sizes.num_pool_photos
        if wanted > len(names):
            raise ValueError(f"{self.prepared().path}: {len(names)} train photos, not {wanted}.")
        if self.first_photos:
            names = sorted(set(names) - set(self.first_photos))
        drawn = [names[index] for index in np.random.default_rng(0).permutation(len(names))]
        num_drawn = 0 if self.first_photos else num_seed
        pool = drawn[num_drawn : num_drawn + self.sizes.num_pool_photos]
        return sorted(self.first_photos or drawn[:num_drawn]), sorted(pool)

    def prepared(self) -> PreparedDataset:
        """The data set ccp: its val judges every model, its train is what the reviewer knows."""
        return open_prepared(self.given_prepared_dir or self.work_dir / "prepared", "ccp")

    def figures(self, num_rounds: int, has_control: bool) -> dict:
        """What came of it: each model's AP in percent, each round's decisions."""
        names = [str(number) for number in range(num_rounds + 1)] + ["control"] * has_control
        wanted = ("mask/AP", "mask/AP50", "box/AP", "box/AP50", "shown/f1")
        models = {}
        for name in names:
            path = self.work_dir / f"evaluation_{name}" / "metrics.json"
            metrics = json.loads(path.read_text())
            models[name] = {key: round(100 * metrics[key], 1) for key in wanted}
        truth = true_garments(self.prepared().ground_truth_path("train"))
        rounds = review_figures.of_rounds(
            self.work_dir / "review", self.sizes.photos_per_round, truth
        )
        return {"models": models, "rounds": rounds}

    def _review(self, review_dir: Path, num_decided: int) -> None:
        truth = true_garments(self.prepared().ground_truth_path("train"))
        review_next(review_dir, truth, num_decided)

    def _build(self, name: str, dataset: str, *arguments: str) -> None:
        data_dir = f"--data_dir={self.work_dir / name}"
        command = (f"--dataset={dataset}", data_dir, *arguments)
        self._command(name, "data_prep.build_tfrecords", *command)

    def _train(self, number: int, start: Path | None, data_dir: Path, *more: str) -> None:
        self._train_into(self.model_dir(number).name, start, data_dir, *more)

    def _train_into(self, name: str, start: Path | None, data_dir: Path, *more: str) -> None:
        overrides = (f"trainer.train_steps={self.sizes.num_steps}", *self.params_overrides)
        self._command(
            name,
            "tfseg.train",
            f"--flagfile={self.recipe}",
            f"--init_from={start}" if start else "--from_scratch",
            f"--data_dir={data_dir}",
            f"--model_dir={self.work_dir / name}",
            *(f"--params_override={override}" for override in overrides),
            *more,
        )

    def _evaluate(self, name: str, model_dir: Path) -> None:
        self._command(
            f"evaluation_{name}",
            "tfseg.evaluate",
            f"--model_dir={model_dir}",
            f"--data_dir={self.prepared().path}",
            f"--output_dir={self.work_dir / f'evaluation_{name}'}",
        )

    def _command(self, name: str, module: str, *arguments: str) -> None:
        """Runs an entry point once, as people do; a killed one goes on the next time."""
        command = [sys.executable, "-m", module, *arguments]

        def run() -> None:
            print(f"\n{name}: python -m {module} {' '.join(arguments)}", flush=True)
            subprocess.run(command, cwd=REPOSITORY, check=True, env=os.environ)

        self._once(name, run)

    def _once(self, name: str, do: Callable[[], None]) -> None:
        done = self.work_dir / "done" / name
        if done.is_file():
            return
        done.parent.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        do()
        done.write_text(f"{time.monotonic() - began:.0f} s\n", encoding="utf-8")
