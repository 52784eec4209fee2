"""Executes the first notebook on the kernel, once, and asserts on what it holds.

usage: test_first_diffusion.py OUTPUT_FOLDER   (`make test` calls it)
"""

import re
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from run_notebook import run_notebook  # noqa: E402

IMAGES = {"image/svg+xml", "image/png"}


class FirstDiffusion(unittest.TestCase):
    """What a reader who runs notebooks/01-first-diffusion.ipynb gets."""

    folder = ROOT / "target" / "demo"

    @classmethod
    def setUpClass(cls):
        cls.run_ = run_notebook(ROOT / "notebooks" / "01-first-diffusion.ipynb", cls.folder)
        cls.cells = [cell for cell in cls.run_.notebook.cells if cell.cell_type == "code"]

    def printed(self, pattern):
        """The first group of the one match in all text that the cells printed or returned."""
        texts = []
        for output in (output for cell in self.cells for output in cell.outputs):
            texts.append(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
        found = re.search(pattern, "\n".join(texts))
        self.assertIsNotNone(found, f"the notebook does not show {pattern!r}")
        return float(found[1])

    def test_every_cell_ran(self):
        self.assertIsNone(self.run_.failure, f"\n{self.run_.failure}")
        self.assertEqual([cell.execution_count for cell in self.cells], list(range(1, len(self.cells) + 1)))

    def test_the_training_figure_is_updated_while_the_cell_is_busy(self):
        training = [run for run, cell in zip(self.run_.cells, self.cells) if ".fit(" in cell.source]
        self.assertEqual(len(training), 1, "one cell should call fit")
        updates, seconds = training[0].updates, training[0].seconds
        self.assertGreaterEqual(len(updates), 10)
        # Not all in one burst when the cell ends, either.
        early = [at for at in updates if at < 0.9 * seconds]
        self.assertGreaterEqual(len(early), 10, f"updates at {updates} of {seconds:.1f} s")

    def test_pictures_are_there(self):
        with_image = [cell for cell in self.cells if any(IMAGES & set(o.get("data", {})) for o in cell.outputs)]
        # Digits, curves, forward strip, training, loss, samples, trajectory.
        self.assertGreaterEqual(len(with_image), 7)

    def test_every_output_has_a_plain_text_too(self):
        for output in (output for cell in self.cells for output in cell.outputs):
            if "data" in output:
                self.assertTrue(output.data.get("text/plain", "").strip(), sorted(output.data))

    def test_it_learned_to_write_the_digit_that_was_asked_for(self):
        self.assertGreaterEqual(self.printed(r"asked-for label found: ([\d.]+)% of 200\b"), 90.0)

    def test_the_samples_are_no_copies(self):
        self.assertGreaterEqual(self.printed(r"median distance ratio: ([\d.]+)"), 0.9)

    def test_the_page_needs_nothing_from_outside(self):
        page = self.run_.files[1].read_text(encoding="utf-8")
        self.assertEqual(re.findall(r'<script|(?:src|href)="(?!data:|#)[^"]*', page), [])
        self.assertGreaterEqual(page.count('src="data:image/'), 7)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        FirstDiffusion.folder = Path(sys.argv.pop(1))
    result = unittest.main(verbosity=2, exit=False).result
    failed = len(result.failures) + len(result.errors)
    print(f"{max(0, result.testsRun - failed)} passed, {failed} failed")
    sys.exit(failed > 0 or result.testsRun == 0)
