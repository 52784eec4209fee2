"""A notebook as one HTML page that needs nothing from outside: images embedded, formulas as MathML, no scripts."""

import html
import re

from jinja2 import DictLoader, pass_context
from latex2mathml.converter import convert
from nbconvert import HTMLExporter

# nbconvert's own page loads MathJax, RequireJS and Mermaid from the network, cuts long lines of code, and sets outputs
# without a number, as live figures and what a cell prints, 12 pixels left of those with one.
TEMPLATE = """
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block html_head_css -%}
<style>
.jp-InputArea-editor .highlight pre { white-space: pre-wrap; }
.jp-OutputArea-prompt:empty { padding: var(--jp-code-padding); border: var(--jp-border-width) solid transparent; }
</style>
{%- endblock -%}
"""

# What is code or inside a tag is no formula.
FORMULA = re.compile(
    r"(?P<other><pre.*?</pre>|<code.*?</code>|<[^>]*>)|\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$<]+?)\$", re.DOTALL
)


def with_mathml(page):
    """HTML with its $...$ and $$...$$ as MathML."""

    def replace(match):
        if match["other"]:
            return match["other"]
        if match["block"]:
            return convert(html.unescape(match["block"]).strip(), display="block")
        return convert(html.unescape(match["inline"]).strip())

    return FORMULA.sub(replace, page)


class StandaloneExporter(HTMLExporter):
    """nbconvert's page without anything that a browser would have to fetch."""

    embed_images = True

    @pass_context
    def markdown2html(self, context, source):
        """The text of a Markdown cell; nbconvert leaves formulas between dollar signs."""
        return with_mathml(super().markdown2html(context, source))


def standalone_html(notebook, title):
    """The page's text."""
    loader = DictLoader({"standalone.html.j2": TEMPLATE})
    exporter = StandaloneExporter(extra_loaders=[loader], template_file="standalone.html.j2")
    text, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    return text
