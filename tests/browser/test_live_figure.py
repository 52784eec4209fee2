"""The trainer's live figure in JupyterLab, as a browser shows it: it changes while the cell runs, and stays at the end."""

import time
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote

import nbformat
from lab import lab, run_all

SOURCE = """use noisebook::prelude::*;
let unet = UNet::builder().channels(1).image_size(8).base_channels(8).build()?;
let model = Diffusion::new(&unet, &Schedule::cosine(1_000)?, Prediction::V)?;
let run = Trainer::new(&model).steps(400).batch_size(16).fit(&Dataset::digits()?)?;"""
# All outputs, with their pictures.
SEEN = """() => Array.from(document.querySelectorAll('.jp-OutputArea-output'), (output) => output.innerHTML).join()"""
BUSY = "() => Array.from(document.querySelectorAll('.jp-InputPrompt'), (p) => p.textContent).some((t) => t.includes('*'))"


class LiveFigure(unittest.TestCase):
    def test_the_picture_changes_while_the_cell_runs(self):
        with TemporaryDirectory() as folder:
            path = Path(folder, "live.ipynb")
            notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SOURCE)])
            notebook.metadata["kernelspec"] = {"name": "noisebook", "display_name": "Rust (noisebook)", "language": "rust"}
            nbformat.write(notebook, path)
            with lab([path]) as open_notebook:
                page = open_notebook("live.ipynb")
                page.wait_for_selector("text=Rust (noisebook) | Idle", timeout=120_000)
                run_all(page)
                page.wait_for_selector(".jp-OutputArea-output svg, .jp-OutputArea-output img", timeout=120_000)
                pictures = []
                deadline = time.monotonic() + 300
                while page.evaluate(BUSY) and time.monotonic() < deadline:
                    seen = page.evaluate(SEEN)
                    # Only what was there while the cell was busy, before and after the look.
                    if page.evaluate(BUSY) and (not pictures or pictures[-1] != seen):
                        pictures.append(seen)
                    time.sleep(0.1)
                self.assertGreaterEqual(len(pictures), 5, "the figure did not move")
                last = unquote(page.evaluate(SEEN))
                # A picture says in words what it shows.
                self.assertTrue("Step 400 of 400" in last, "the last picture is not that of the last step")
                self.assertEqual(page.evaluate("() => document.querySelectorAll('.jp-OutputArea-child').length"), 1)


if __name__ == "__main__":
    unittest.main()
