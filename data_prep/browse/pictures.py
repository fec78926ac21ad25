"""One record -> a figure: the photo, and over it as vectors its masks, boxes and names."""

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape

import cv2
import numpy as np
from markupsafe import Markup
from PIL import Image

from data_prep.browse.charts import category_color
from data_prep.browse.records import RecordFacts, read_picture
from data_prep.browse.survey import Sample
from data_prep.browse.templates import render
from data_prep.prepared import NO_ATTRIBUTES

MAX_SIDE = 400  # pixels of a photo on the page
MAX_PHOTO_BYTES = 20_000
MAX_OVERLAY_CHARACTERS = 9_000
_NARROWEST, _WIDEST = 0.45, 1.8  # width / height of a figure; the photo lies within
_QUALITIES = (78, 62, 46, 30, 15)
_MAX_ATTRIBUTES = 12  # of an instance, told when it is pointed at
_TOLERANCES = (0.6, 1.2, 2.5, 5.0, 10.0)  # of an outline, pixels of the page
_FONT_SIZE = 15  # as in page.css
_CHARACTER_WIDTH = 0.56  # of the font's size, about


@dataclass(frozen=True)
class FigureDrawer:
    """Draws records of one data set as HTML figures.

    Attributes:
        category_names: index 0 is category id 1.
        report_figure: called after each.
        attribute_names: by attribute id.
    """

    category_names: tuple[str, ...]
    report_figure: Callable[[], object]
    attribute_names: Mapping[int, str] = field(default_factory=dict)

    def draw(self, facts: RecordFacts, caption: str, emphasis: int | None = None) -> Markup:
        """Draws a record; at most about 40 kB, whatever the photo.

        Args:
            facts: of the record, whose photo and masks are read here.
            caption: text below the picture.
            emphasis: the category id that the picture is shown for; None: all alike.

        Raises:
            ValueError: The record is damaged.
        """
        encoded, mask_pngs = read_picture(facts)
        try:
            photo, (width, height) = _small_photo(encoded)
            outlines = [_outlines(png, width, height) for png in mask_pngs]
        except (OSError, SyntaxError, cv2.error) as error:
            raise ValueError(
                f"{facts.shard_path}: image {facts.image_id} has a damaged photo or mask "
                f"({error}); run data_prep.build_tfrecords --overwrite."
            ) from error
        titles = [self._title(facts, index) for index in range(len(facts.category_ids))]
        names = self.category_names
        overlay = _overlay_svg(facts, names, titles, outlines, (width, height), emphasis)
        self.report_figure()
        return render(
            "figure",
            ratio=min(max(width / height, _NARROWEST), _WIDEST),
            file_name=facts.file_name,
            width=width,
            height=height,
            photo=base64.b64encode(photo).decode(),
            overlay=overlay,
            caption=caption,
        )

    def _title(self, facts: RecordFacts, index: int) -> str:
        """What is said of an instance that is pointed at."""
        name = self.category_names[int(facts.category_ids[index]) - 1]
        title = f"{name}, {_size_text(facts, index)}"
        if facts.crowds[index]:
            title += ", crowd"
        text = facts.attributes[index]
        if text == NO_ATTRIBUTES:
            return f"{title}; no attributes"
        ids = text.split("_") if text else []
        named = [self.attribute_names.get(int(i), i) if i.isdecimal() else i for i in ids]
        if len(named) > _MAX_ATTRIBUTES:
            named = [*named[:_MAX_ATTRIBUTES], f"{len(named) - _MAX_ATTRIBUTES} more"]
        return f"{title}; {', '.join(named)}" if named else title


def caption(sample: Sample, has_sources: bool) -> str:
    """Names a photo and where it comes from."""
    facts = sample.facts
    parts = [facts.file_name or facts.image_id, sample.split, facts.source if has_sources else ""]
    return " · ".join(part for part in parts if part)


def _small_photo(encoded: bytes) -> tuple[bytes, tuple[int, int]]:
    """WebP bytes within MAX_PHOTO_BYTES, and the width and height to show them at."""
    photo = Image.open(io.BytesIO(encoded))
    photo.draft("RGB", (MAX_SIDE, MAX_SIDE))  # JPEG decodes to a fraction of its size at once
    image = photo.convert("RGB")
    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    size = image.size
    while True:
        for quality in _QUALITIES:
            buffer = io.BytesIO()
            image.save(buffer, "WEBP", quality=quality, method=4)
            if buffer.tell() <= MAX_PHOTO_BYTES:
                return buffer.getvalue(), size
        image = image.reduce(2)  # noise, more than a photo


def _outlines(mask_png: bytes, width: int, height: int) -> list[np.ndarray]:
    """Outlines, holes too, of a mask drawn small: int [num_points, 1, 2] each."""
    mask = np.asarray(Image.open(io.BytesIO(mask_png)))
    mask = (mask != 0).astype(np.uint8) * 255
    small = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
    filled = small >= 128
    if not filled.any():
        filled = small > 0
    outlines, _ = cv2.findContours(filled.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return list(outlines)


def _overlay_svg(facts, category_names, titles, outlines, size, emphasis) -> str:
    """As precise as fits into MAX_OVERLAY_CHARACTERS; beyond, the smallest instances go."""
    outlines = [sorted(parts, key=cv2.contourArea, reverse=True) for parts in outlines]
    order = np.argsort(-facts.areas, kind="stable")  # small ones are drawn last, on top
    for tolerance in _TOLERANCES:
        svg = _svg(facts, category_names, titles, outlines, size, emphasis, order, tolerance)
        if len(svg) <= MAX_OVERLAY_CHARACTERS:
            return svg
    while len(svg) > MAX_OVERLAY_CHARACTERS and len(order):
        order = order[: len(order) * 3 // 4]
        svg = _svg(facts, category_names, titles, outlines, size, emphasis, order, _TOLERANCES[-1])
    return svg


def _svg(facts, category_names, titles, outlines, size, emphasis, order, tolerance) -> str:
    width, height = size
    labels = _Labels(width, height)
    parts = [f'<svg viewBox="0 0 {width} {height}" aria-hidden="true">']
    names = []
    for index in order:
        category_id = int(facts.category_ids[index])
        name = category_names[category_id - 1]
        color = category_color(category_id)
        is_main = emphasis in (None, category_id)
        x0, y0, x1, y1 = (facts.boxes_xyxy[index] * (width, height, width, height)).tolist()
        parts.append(
            f'<g class="{"main" if is_main else "other"}" style="--c:{color}">'
            f"<title>{escape(titles[index])}</title>"
            f'<path class="mask" d="{_path(outlines[index], tolerance)}"/>'
            f'<rect class="box" x="{x0:.1f}" y="{y0:.1f}" width="{x1 - x0:.1f}" '
            f'height="{y1 - y0:.1f}"/></g>'
        )
        x, y = labels.place(x0, y0, y1, name)
        names.append(
            f'<text class="name {"main" if is_main else "other"}" x="{x:.0f}" y="{y:.0f}" '
            f'style="--c:{color}">{escape(name)}</text>'
        )
    return "".join([*parts, *names, "</svg>"])


def _path(outlines: list[np.ndarray], tolerance: float) -> str:
    """SVG path data; of the outlines, largest first, those smaller than the tolerance go."""
    parts: list[str] = []
    for outline in outlines:
        if parts and cv2.contourArea(outline) < (2 * (tolerance - _TOLERANCES[0])) ** 2:
            break
        points = cv2.approxPolyDP(outline, tolerance, closed=True)[:, 0] + 0.5
        if len(points) < 3:  # a line: thin, but to be seen
            points = np.concatenate([points, points[::-1] + (0, 1)])
        parts.append("M" + " ".join(f"{x:g},{y:g}" for x, y in points.tolist()) + "Z")
    return "".join(parts)


def _size_text(facts: RecordFacts, index: int) -> str:
    x0, y0, x1, y1 = facts.boxes_xyxy[index]
    width, height = (x1 - x0) * facts.width, (y1 - y0) * facts.height
    share = facts.areas[index] / (facts.width * facts.height)
    return f"{width:.0f} x {height:.0f} px, {100 * share:.2g} % of the photo"


class _Labels:
    """Finds each name a place at its box where no other name is."""

    def __init__(self, width: int, height: int):
        self._width, self._height = width, height
        self._taken: list[tuple[float, float, float]] = []  # left, right, baseline

    def place(self, left: float, top: float, bottom: float, text: str) -> tuple[float, float]:
        """Gives x and the baseline's y."""
        length = len(text) * _FONT_SIZE * _CHARACTER_WIDTH
        x = max(2.0, min(left + 2, self._width - length - 2))
        places = [top - 3, top + _FONT_SIZE, bottom - 3, bottom + _FONT_SIZE]
        places += [top + _FONT_SIZE * step for step in range(2, 8)]
        inside = [y for y in places if _FONT_SIZE - 1 <= y <= self._height - 2] or [_FONT_SIZE]
        free = [y for y in inside if not self._overlaps(x, x + length, y)]
        y = (free or inside)[0]
        self._taken.append((x, x + length, y))
        return x, y

    def _overlaps(self, left: float, right: float, y: float) -> bool:
        return any(
            left < other_right and other_left < right and abs(y - other_y) < _FONT_SIZE
            for other_left, other_right, other_y in self._taken
        )
