"""HTML pages from Jinja2 templates that lie beside their package's modules; all text is escaped."""

import functools
from collections.abc import Callable, Mapping

import jinja2
from markupsafe import Markup


class HtmlTemplates:
    """The templates *.html.j2 of one package."""

    def __init__(self, package: str, filters: Mapping[str, Callable]):
        """Names the templates; none is read yet.

        Args:
            package: Dotted name; they are read from the package's own folder, installed or not.
            filters: By name in the templates. `as_markup` is added, the one place where text
                becomes HTML unescaped: for SVG, CSS and JavaScript of the project's own.
        """
        self._package, self._filters = package, filters

    @functools.cached_property
    def _environment(self) -> jinja2.Environment:
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader(self._package, ""),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {**self._filters, "as_markup": Markup}
        return environment

    def render(self, name: str, /, **values) -> Markup:
        """Fills a template in.

        Args:
            name: Its file, without .html.j2.
            **values: Its variables; a missing one raises jinja2.UndefinedError.
        """
        return Markup(self._environment.get_template(f"{name}.html.j2").render(values))
