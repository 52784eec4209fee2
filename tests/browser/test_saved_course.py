"""A saved notebook in JupyterLab, as a browser shows it to somebody who has run and trusted nothing: its pictures are there."""

import unittest
from pathlib import Path

import nbformat
from lab import lab

COURSE = Path(__file__).resolve().parents[2] / "notebooks"
# The width of each picture in all outputs, 0 where it could not be drawn.
WIDTHS = "() => Array.from(document.querySelectorAll('.jp-OutputArea-output img'), (image) => image.naturalWidth)"
SCROLL = "(cell) => cell.scrollIntoView({ block: 'start' })"


class SavedCourse(unittest.TestCase):
    def test_every_picture_is_drawn(self):
        for name in ("01-first-diffusion.ipynb", "06-samplers.ipynb"):
            path = COURSE / name
            cells = nbformat.read(path, nbformat.NO_CONVERT).cells
            outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
            expected = sum(data.get("text/html", "").count("<img") for data in outputs)
            self.assertGreater(expected, 5, name)
            with lab([path]) as open_notebook:
                page = open_notebook(name)
                page.wait_for_selector("text=Rust (noisebook) | Idle", timeout=120_000)
                # JupyterLab makes the cells of a long notebook when they come into sight.
                for index in range(len(cells)):
                    page.locator(f".jp-Cell[data-windowed-list-index='{index}']").evaluate(SCROLL)
                    page.wait_for_timeout(100)
                widths = page.evaluate(WIDTHS)
            self.assertEqual([len(widths), min(widths, default=0) > 0], [expected, True], name)


if __name__ == "__main__":
    unittest.main()
