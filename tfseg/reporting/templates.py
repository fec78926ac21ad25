"""The report's templates (*.html.j2 beside this file), and how figures are written in them."""

import math

from tfseg.io.html_templates import HtmlTemplates
from tfseg.structures.visualize import category_color


def percent(value: float) -> str:
    """Returns "41.3", or "–" where there is no value."""
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def anchor(category_id: int) -> str:
    """The id of a category's strips on the page."""
    return f"category-{category_id}"


def _rgb(category_id: int) -> str:
    return f"rgb{category_color(category_id)}"


render = HtmlTemplates(
    "tfseg.reporting", {"percent": percent, "anchor": anchor, "rgb": _rgb, "is_nan": math.isnan}
).render
