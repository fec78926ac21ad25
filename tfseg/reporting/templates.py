"""Renders the report's templates (*.html.j2 beside this file); all text in them is escaped."""

import functools
import math

import jinja2
from markupsafe import Markup

from tfseg.structures.visualize import category_color


def percent(value: float) -> str:
    """Returns "41.3", or "–" where there is no value."""
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def anchor(category_id: int) -> str:
    """The id of a category's strips on the page."""
    return f"category-{category_id}"


def _rgb(category_id: int) -> str:
    return f"rgb{category_color(category_id)}"


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tfseg.reporting", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "anchor": anchor, "rgb": _rgb, "is_nan": math.isnan}
    # The one place where text becomes HTML unescaped: charts.py's SVG, page.css and page.js.
    environment.filters["as_markup"] = Markup
    return environment


def render(name: str, /, **values) -> Markup:
    """Fills a template in.

    Args:
        name: Its file, without .html.j2.
        **values: Its variables; a missing one raises jinja2.UndefinedError.
    """
    return Markup(_environment().get_template(f"{name}.html.j2").render(values))
