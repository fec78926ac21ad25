"""One pass over a prepared data set: what is counted of it, and which photos to show."""

import hashlib
import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from data_prep.browse.records import RecordFacts, read_facts
from data_prep.prepared import NO_ATTRIBUTES, PreparedDataset

# Upper ends of the histograms' bins; the last bin has no end.
SHARE_ENDS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # of the photo
ASPECT_ENDS = tuple(2.0**power for power in (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5))  # width / height
# COCO's small and medium, pixels: https://cocodataset.org/#detection-eval
AREA_ENDS = (32.0**2, 96.0**2)
_INSTANCES_PER_FLUSH = 20_000
_RECORDS_PER_FLUSH = 4_000


class BinnedCounts:
    """Instances by category and bin, gathered in batches.

    Attributes:
        table: int64 [num_categories, num_bins]; row 0 is category id 1.
    """

    def __init__(self, num_categories: int, ends: tuple[float, ...]):
        self.table = np.zeros((num_categories, len(ends) + 1), np.int64)
        self._ends = ends

    def add(self, category_ids: np.ndarray, values: np.ndarray) -> None:
        """Counts int64 [n] category ids and float [n] values."""
        bins = np.searchsorted(self._ends, values, side="left")
        np.add.at(self.table, (category_ids - 1, bins), 1)


@dataclass(frozen=True)
class Sample:
    """A record to show, and the split it is of."""

    split: str
    facts: RecordFacts


@dataclass
class SplitCounts:
    """Of one split; the arrays are int64 [num_categories]."""

    num_images: int
    num_instances: int
    instances: np.ndarray
    images: np.ndarray


@dataclass
class Survey:
    """What a pass over the shards gives.

    Attributes:
        splits: by name.
        sources: (photos, instances) by the raw source's name.
        shares: of the photo that a mask takes.
        aspects: box width / height, pixels.
        areas: mask pixels.
        instances_per_image: photos by number of instances.
        sizes: photos by (width, height), pixels.
        attributes: instances by attribute id.
        samples: by category id, in an order that depends on nothing but the ids; 0 has photos
            without instances.
        found: by file name, of those that were looked for.
    """

    splits: dict[str, SplitCounts]
    shares: BinnedCounts
    aspects: BinnedCounts
    areas: BinnedCounts
    sources: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    instances_per_image: Counter = field(default_factory=Counter)
    sizes: Counter = field(default_factory=Counter)
    attributes: Counter = field(default_factory=Counter)
    samples: dict[int, list[Sample]] = field(default_factory=dict)
    found: dict[str, Sample] = field(default_factory=dict)


def take_survey(
    prepared: PreparedDataset,
    samples_per_category: int,
    wanted_files: Iterable[str],
    report_record: Callable[[], object],
) -> Survey:
    """Passes over all shards once; memory does not grow with the number of photos.

    Args:
        prepared: the data set.
        samples_per_category: photos to choose for each category, and of those without instances.
        wanted_files: file names of photos to be found as well.
        report_record: called after each.

    Raises:
        ValueError: A record is damaged.
    """
    num_categories = len(prepared.category_names)
    survey = Survey(
        splits={},
        shares=BinnedCounts(num_categories, SHARE_ENDS),
        aspects=BinnedCounts(num_categories, ASPECT_ENDS),
        areas=BinnedCounts(num_categories, AREA_ENDS),
    )
    choice = _Choice(num_categories + 1, samples_per_category)
    wanted = set(wanted_files)
    for split in prepared.splits:
        batch = _Batch(survey)
        counts = SplitCounts(0, 0, *np.zeros((2, num_categories), np.int64))
        survey.splits[split] = counts
        for shard_path in prepared.record_paths(split):
            for facts in read_facts(shard_path):
                _check_categories(facts, num_categories)
                _count(facts, counts, survey)
                batch.add(facts)
                sample = Sample(split, facts)
                choice.offer(sample)
                if facts.file_name in wanted:
                    survey.found.setdefault(facts.file_name, sample)
                report_record()
        batch.flush()
    survey.samples = {i: choice.chosen(i) for i in range(num_categories + 1)}
    return survey


def _check_categories(facts: RecordFacts, num_categories: int) -> None:
    ids = facts.category_ids
    if len(ids) and not 1 <= ids.min() <= ids.max() <= num_categories:
        raise ValueError(
            f"{facts.shard_path}: image {facts.image_id} has the categories {ids.tolist()}, "
            f"expected 1..{num_categories}; run data_prep.build_tfrecords --overwrite."
        )


def _count(facts: RecordFacts, counts: SplitCounts, survey: Survey) -> None:
    num_instances = len(facts.category_ids)
    counts.num_images += 1
    counts.num_instances += num_instances
    np.add.at(counts.instances, facts.category_ids - 1, 1)
    counts.images[np.unique(facts.category_ids) - 1] += 1
    source = survey.sources[facts.source]
    source[0] += 1
    source[1] += num_instances
    survey.instances_per_image[num_instances] += 1
    survey.sizes[facts.width, facts.height] += 1
    for attributes in facts.attributes:
        if attributes and attributes != NO_ATTRIBUTES:
            survey.attributes.update(attributes.split("_"))


class _Batch:
    """Records waiting to be binned: numpy is quick only with many instances at once."""

    def __init__(self, survey: Survey):
        self._survey = survey
        self._waiting: list[RecordFacts] = []
        self._num_instances = 0

    def add(self, facts: RecordFacts) -> None:
        """Takes a record; bins all that wait when they are many."""
        self._waiting.append(facts)
        self._num_instances += len(facts.category_ids)
        if self._num_instances >= _INSTANCES_PER_FLUSH or len(self._waiting) >= _RECORDS_PER_FLUSH:
            self.flush()

    def flush(self) -> None:
        """Bins all that wait."""
        if not self._waiting:
            return
        records, self._waiting, self._num_instances = self._waiting, [], 0
        category_ids = np.concatenate([facts.category_ids for facts in records])
        areas = np.concatenate([facts.areas for facts in records]).astype(np.float64)
        boxes = np.concatenate([facts.boxes_xyxy for facts in records]).astype(np.float64)
        numbers = [len(facts.category_ids) for facts in records]
        widths = np.repeat([float(facts.width) for facts in records], numbers)
        heights = np.repeat([float(facts.height) for facts in records], numbers)
        box_widths = (boxes[:, 2] - boxes[:, 0]) * widths
        box_heights = (boxes[:, 3] - boxes[:, 1]) * heights
        self._survey.shares.add(category_ids, areas / (widths * heights))
        self._survey.aspects.add(category_ids, box_widths / np.maximum(box_heights, 1e-9))
        self._survey.areas.add(category_ids, areas)


class _Choice:
    """The records whose hashed ids are smallest, for each category; 0 is for no instance."""

    def __init__(self, num_groups: int, num_per_group: int):
        self._heaps: list[list] = [[] for _ in range(num_groups)]
        self._num_per_group = num_per_group

    def offer(self, sample: Sample) -> None:
        facts = sample.facts
        groups = set(facts.category_ids.tolist()) or {0}
        for group in groups:
            digest = hashlib.sha256(f"{group} {facts.image_id}".encode()).digest()
            # heapq keeps the smallest on top: negated, that is the first to go.
            number = -int.from_bytes(digest[:8], "big")
            entry = (number, facts.image_id, facts.shard_path, facts.offset, sample)
            heap = self._heaps[group]
            if len(heap) < self._num_per_group:
                heapq.heappush(heap, entry)
            elif entry > heap[0]:
                heapq.heapreplace(heap, entry)

    def chosen(self, group: int) -> list[Sample]:
        return [entry[-1] for entry in sorted(self._heaps[group], reverse=True)]
