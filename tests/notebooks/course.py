"""What the tests of all notebooks share: the notebook executed once, its numbers, and what holds for every one."""

import functools
import os
import re
import unittest
from pathlib import Path
import sys

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from run_notebook import run_notebook  # noqa: E402

LIMIT = "NOISEBOOK_STEPS"
# A page of the web, once shown; large outputs make it slow.
LARGEST_NOTEBOOK = 2_000_000


def whole_run(test):
    """Marks a test of what only a whole training shows: with fewer steps it is skipped."""

    @functools.wraps(test)
    def wrapped(self):
        if not self.is_whole():
            self.skipTest(f"{LIMIT}={os.environ[LIMIT]}")
        test(self)

    return wrapped


def has_image(data):
    """Whether an output holds one, that JupyterLab shows whether or not it trusts the notebook."""
    return "image/png" in data or '<img alt="' in data.get("text/html", "")


class Executed(unittest.TestCase):
    """What a reader who runs a notebook gets. A subclass names it, by its path in notebooks/."""

    notebook = None
    pictures = 0  # at least so many cells show one
    always_whole = False  # whatever the environment says
    folder = ROOT / "target" / "notebooks"

    @classmethod
    def is_whole(cls):
        """Whether its trainings take all their steps."""
        return cls.always_whole or not os.environ.get(LIMIT)

    @classmethod
    def setUpClass(cls):
        if cls.notebook is None:
            raise unittest.SkipTest("the base of the others")
        path = ROOT / "notebooks" / cls.notebook
        environment = {name: value for name, value in os.environ.items() if name != LIMIT or not cls.is_whole()}
        folder = Path(os.environ.get("NOTEBOOKS_OUT", cls.folder)) / Path(cls.notebook).with_suffix("")
        cls.run_ = run_notebook(path, folder, environment=environment)
        cls.cells = [cell for cell in cls.run_.notebook.cells if cell.cell_type == "code"]

    def all_text(self):
        """All that the cells printed or returned."""
        texts = []
        for output in (output for cell in self.cells for output in cell.outputs):
            texts.append(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
        return "\n".join(texts)

    def printed(self, pattern):
        """The first group of the first match, as a number."""
        found = re.search(pattern, self.all_text())
        self.assertIsNotNone(found, f"the notebook does not show {pattern!r}")
        return float(found[1].replace(",", ""))

    def all_printed(self, pattern):
        """The first group of every match."""
        return [float(number.replace(",", "")) for number in re.findall(pattern, self.all_text())]

    def test_every_cell_ran(self):
        self.assertIsNone(self.run_.failure, f"\n{self.run_.failure}")
        self.assertEqual([cell.execution_count for cell in self.cells], list(range(1, len(self.cells) + 1)))

    def test_pictures_are_there(self):
        with_image = [cell for cell in self.cells if any(has_image(o.get("data", {})) for o in cell.outputs)]
        self.assertGreaterEqual(len(with_image), self.pictures)

    def test_every_output_has_a_plain_text_too(self):
        for output in (output for cell in self.cells for output in cell.outputs):
            if "data" in output:
                self.assertTrue(output.data.get("text/plain", "").strip(), sorted(output.data))

    def test_every_picture_says_in_words_what_it_shows(self):
        page = self.run_.files[1].read_text(encoding="utf-8")
        tags = re.findall(r"<img[^>]*>", page)
        self.assertGreaterEqual(len(tags), self.pictures)
        for tag in tags:
            alternative = re.search(r'alt="([^"]*)"', tag)
            self.assertTrue(alternative and len(alternative[1]) > 10, tag[:200])

    def test_the_page_needs_nothing_from_outside(self):
        page = self.run_.files[1].read_text(encoding="utf-8")
        outside = r'<script|<link\b[^>]*href="(?!data:)[^"]*|url\(["\']?https?:[^)]*|\ssrc="(?!data:)[^"]*'
        self.assertEqual(re.findall(outside, page), [])

    def test_it_is_small(self):
        self.assertLess(self.run_.files[0].stat().st_size, LARGEST_NOTEBOOK)
