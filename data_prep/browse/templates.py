"""Renders the page's templates (*.html.j2 beside this file); all text in them is escaped."""

import functools

import jinja2
from markupsafe import Markup

from data_prep.browse import charts


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("data_prep.browse", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "thousands": "{:,}".format,
        "category_color": charts.category_color,
        "share_of": charts.share_text,
        "column_text": charts.column_text,
    }
    # The one place where text becomes HTML unescaped: the photos' overlays (SVG of pictures.py),
    # page.css and page.js.
    environment.filters["as_markup"] = Markup
    return environment


def render(name: str, /, **values) -> Markup:
    """Fills a template in.

    Args:
        name: its file, without .html.j2.
        **values: its variables; a missing one raises jinja2.UndefinedError.
    """
    return Markup(_environment().get_template(f"{name}.html.j2").render(values))
