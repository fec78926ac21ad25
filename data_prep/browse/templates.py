"""The page's templates (*.html.j2 beside this file)."""

from data_prep.browse import charts
from tfseg.io.html_templates import HtmlTemplates

render = HtmlTemplates(
    "data_prep.browse",
    {
        "thousands": "{:,}".format,
        "category_color": charts.category_color,
        "share_of": charts.share_text,
        "column_text": charts.column_text,
    },
).render
