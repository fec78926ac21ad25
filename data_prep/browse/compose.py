"""Composes the page: a survey of the shards, its sections in their order, progress on the way."""

import sys

import numpy as np
from tqdm import tqdm

from data_prep.browse import counts, page
from data_prep.browse.pictures import FigureDrawer
from data_prep.browse.repairs import ExamplePictures, example_files, read_report, repairs_html
from data_prep.browse.survey import take_survey
from data_prep.prepared import REPORT_NAME, PreparedDataset

_MAX_SAMPLES = 240  # pictures in the grids of categories
_MAX_EXAMPLES = 60  # pictures of what was put right
_MAX_CATEGORIES = 240


def browse_page(prepared: PreparedDataset) -> str:
    """Makes the page of a prepared data set.

    Raises:
        ValueError: A shard or the report is damaged.
    """
    report = read_report(prepared.path / REPORT_NAME)
    num_categories = len(prepared.category_names)
    per_category = max(1, min(12, _MAX_SAMPLES // num_categories))
    num_examples = sum(map(prepared.num_examples, prepared.splits))
    with _progress("surveying", "photo", num_examples) as bar:
        survey = take_survey(prepared, per_category, example_files(report), bar.update)
    numbers = np.sum([split.instances for split in survey.splits.values()], axis=0)
    by_number = sorted(range(1, num_categories + 1), key=lambda i: (-numbers[i - 1], i))
    shown = by_number[:_MAX_CATEGORIES]
    examples = ExamplePictures(report, survey, _MAX_EXAMPLES)
    num_pictures = sum(len(survey.samples[i]) for i in (0, *shown)) + examples.num_pictures
    with _progress("drawing", "picture", num_pictures) as bar:
        drawer = FigureDrawer(prepared.category_names, bar.update, prepared.attribute_names)
        sections = [
            counts.counts_html(survey, report),
            counts.categories_html(prepared, survey, shown),
            counts.sizes_html(survey, report),
            page.samples_html(survey, drawer, shown),
            repairs_html(report, examples, drawer),
        ]
    return page.whole_page(prepared, survey, report, sections)


def _progress(label: str, unit: str, total: int) -> tqdm:
    interval_s = 0.5 if sys.stderr.isatty() else 10
    return tqdm(desc=label, unit=unit, total=total, mininterval=interval_s)
