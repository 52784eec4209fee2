"""Pictures of executed notebooks in JupyterLab, light and dark, for docs/.

usage: screenshots.py OUTPUT_FOLDER NOTEBOOK=CELL ...     (`make screenshots` calls it)

Each picture shows a notebook from its code cell number CELL on.
"""

import io
import sys
from pathlib import Path

from lab import lab
from PIL import Image

COLOURS = 128  # enough for a page, at a third of the bytes


def main():
    folder = Path(sys.argv[1])
    chosen = [(Path(path), int(cell)) for path, cell in (argument.rsplit("=", 1) for argument in sys.argv[2:])]
    for theme in ("light", "dark"):
        with lab([path for path, _ in chosen], theme) as open_notebook:
            for path, cell in chosen:
                page = open_notebook(path.name)
                page.wait_for_selector("text=Rust (noisebook) | Idle", timeout=120_000)
                place = page.locator(f".jp-CodeCell >> nth={cell - 1}")
                place.evaluate("(cell) => cell.scrollIntoView({ block: 'start' })")
                page.wait_for_timeout(1_500)
                picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS)
                picture.save(folder / f"lab-{path.stem[:2]}-{theme}.png", optimize=True)


if __name__ == "__main__":
    main()
