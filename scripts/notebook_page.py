"""A notebook as one HTML page that needs nothing from outside: images embedded, formulas as MathML, no scripts."""

import copy
import re

from jinja2 import DictLoader
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from traitlets.config import Config

# nbconvert's own page loads MathJax, RequireJS and Mermaid from the network.
TEMPLATE = """
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
"""

CODE_OR_FORMULA = re.compile(r"(?P<code>```.*?```|`[^`\n]*`)|\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$\n]+?)\$", re.DOTALL)


def with_mathml(markdown):
    """The text with its $...$ and $$...$$ as MathML, code left alone."""

    def replace(match):
        if match["code"]:
            return match["code"]
        if match["block"]:
            return convert(match["block"].strip(), display="block")
        return convert(match["inline"].strip())

    return CODE_OR_FORMULA.sub(replace, markdown)


def standalone_html(notebook, title):
    """The page's text."""
    page = copy.deepcopy(notebook)
    for cell in page.cells:
        if cell.cell_type == "markdown":
            cell.source = with_mathml(cell.source)
    exporter = HTMLExporter(
        config=Config({"HTMLExporter": {"embed_images": True}}),
        extra_loaders=[DictLoader({"standalone.html.j2": TEMPLATE})],
        template_file="standalone.html.j2",
    )
    text, _ = exporter.from_notebook_node(page, resources={"metadata": {"name": title}})
    return text
