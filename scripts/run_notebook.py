"""Execute a notebook on the noisebook kernel and write it, executed, as .ipynb and as a standalone .html.

usage: run_notebook.py NOTEBOOK OUTPUT_FOLDER

Each cell's line says how long it took and how many updates of its figures arrived while it was busy. A cell that fails
ends the run: the cell and its error are shown, the files hold what was reached, and the exit status is 1.
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from notebook_page import standalone_html


@dataclass
class CellRun:
    """What one code cell did."""

    number: int
    first_line: str
    started: float
    seconds: float | None = None  # None while it runs
    updates: list[float] = field(default_factory=list)  # arrivals while busy, in seconds after the cell's start

    def line(self, of):
        """The cell in one line, as the terminal shows it."""
        seconds = time.monotonic() - self.started if self.seconds is None else self.seconds
        seen = f"  (its live figure was drawn {len(self.updates)} times)" if self.updates else ""
        return f"[{self.number:2}/{of}] {seconds:6.1f} s  {self.first_line}{seen}"


@dataclass
class Run:
    """What a whole notebook did."""

    notebook: nbformat.NotebookNode
    cells: list[CellRun]
    seconds: float
    failure: str | None  # what to show of the cell that failed
    files: list[Path]


class Watcher(NotebookClient):
    """An nbclient that notes when updates arrive and shows each cell as it goes."""

    def __init__(self, notebook, **options):
        super().__init__(notebook, on_cell_execute=self.begin, on_cell_executed=self.end, **options)
        self.runs = []
        self.busy = False
        self.code_cells = sum(1 for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip())

    def begin(self, cell, cell_index):
        """A cell is about to be sent."""
        line = next(line for line in cell.source.splitlines() if line.strip())
        shown = line if len(line) <= 80 else line[:79] + "…"
        self.runs.append(CellRun(len(self.runs) + 1, shown, time.monotonic()))
        self.show_progress()

    def end(self, cell, cell_index, execute_reply):
        """A cell's reply and its last output are here."""
        run = self.runs[-1]
        run.seconds = time.monotonic() - run.started
        print(("\r\x1b[K" if sys.stdout.isatty() else "") + run.line(self.code_cells), flush=True)

    def process_message(self, msg, cell, cell_index):
        """Counts updates between the cell's busy and its idle."""
        if msg["msg_type"] == "status":
            self.busy = msg["content"]["execution_state"] == "busy"
        elif msg["msg_type"] == "update_display_data" and self.busy:
            self.runs[-1].updates.append(time.monotonic() - self.runs[-1].started)
            self.show_progress()
        return super().process_message(msg, cell, cell_index)

    def show_progress(self):
        """On a terminal, the line of the running cell, in place."""
        if sys.stdout.isatty():
            print(f"\r\x1b[K{self.runs[-1].line(self.code_cells)} ...", end="", flush=True)


def describe_failure(error, notebook):
    """What a reader needs to see: the cell that failed and the kernel's own traceback."""
    if isinstance(error, NoSuchKernel):
        return f"Jupyter knows no kernel named {error.name}: 'noisebook install' (or 'make install') registers it"
    lines = []
    for cell in reversed(notebook.cells):
        outputs = cell.get("outputs", [])
        errors = [output for output in outputs if output.output_type == "error"]
        if cell.cell_type == "code" and (errors or not isinstance(error, CellExecutionError) and outputs):
            lines += ["This cell failed:", *(f"    {line}" for line in cell.source.splitlines())]
            lines += [line for output in errors for line in output.traceback]
            break
    if not isinstance(error, CellExecutionError):
        lines.append(f"{type(error).__name__}: {error}")
    return "\n".join(lines)


def run_notebook(path, folder, kernel="noisebook", timeout=900, environment=None):
    """Executes a notebook, writes both files into a folder, and tells what happened; raises nothing for a failed cell.

    `environment` is the kernel's, in place of this process's own.
    """
    path, folder = Path(path), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.read(path, as_version=4)
    # The cells run inside the output folder: what they save shall not land among the sources.
    resources = {"metadata": {"path": str(folder)}}
    client = Watcher(notebook, kernel_name=kernel, timeout=timeout, resources=resources, record_timing=False)
    started, failure = time.monotonic(), None
    try:
        client.execute(env=os.environ.copy() if environment is None else environment)
    except (CellExecutionError, CellTimeoutError, DeadKernelError, NoSuchKernel, RuntimeError) as error:
        failure = describe_failure(error, notebook)
    seconds = time.monotonic() - started
    files = [folder / path.name, folder / f"{path.stem}.html"]
    nbformat.write(notebook, files[0])
    files[1].write_text(standalone_html(notebook, title=path.stem), encoding="utf-8")
    return Run(notebook, client.runs, seconds, failure, files)


def main():
    parser = argparse.ArgumentParser(description="Execute a notebook on the noisebook kernel.")
    parser.add_argument("notebook")
    parser.add_argument("folder")
    parser.add_argument("--kernel", default="noisebook")
    arguments = parser.parse_args()
    run = run_notebook(arguments.notebook, arguments.folder, kernel=arguments.kernel)
    if run.failure:
        print(f"\n{run.failure}\n", file=sys.stderr)
    print(f"\n{len(run.cells)} cells in {run.seconds:.0f} s. Look at")
    for file in run.files:
        print(f"  {file}")
    sys.exit(1 if run.failure else 0)


if __name__ == "__main__":
    main()
