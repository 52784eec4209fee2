"""Measure the kernel beside the stock Rust kernel and print a Markdown table.

usage: bench_kernel.py [--rounds N] [--with-crate] [STOCK_PROGRAM]

STOCK_PROGRAM is an evcxr_jupyter; without one, ours alone is measured. Ours is the kernel that Jupyter knows as
`noisebook`. Each figure that depends on a session's start is the median of N sessions, the others come from one session.
In ours the crate is always there. In the stock kernel it is with --with-crate only, once: its session then begins with
a build of six minutes or more.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

from bench_session import PATIENCE, Kernel, session

ROOT = Path(__file__).resolve().parents[1]
VALUE = "let v = vec![1, 2, 3];\nv"
LIBRARY = "use noisebook::prelude::*;\nlet digits = Dataset::digits()?;\ndigits"
LIBRARY_ROW = "first cell, right then: `use noisebook::prelude::*; let digits = Dataset::digits()?; digits`"


@dataclass
class Row:
    """What was measured: seconds, or text."""

    what: str
    values: list = field(default_factory=list)

    def shown(self):
        """The median of numbers, else the text."""
        if not self.values:
            return "-"
        if isinstance(self.values[0], str):
            return self.values[0]
        return f"{statistics.median(self.values):.2f} s"


class Table:
    """Rows in the order in which they were measured first."""

    def __init__(self):
        self.rows = {}

    def add(self, what, value):
        """Notes one measurement."""
        self.rows.setdefault(what, Row(what)).values.append(value)
        print(f"    {what}: {f'{value:.2f}' if isinstance(value, float) else value}", file=sys.stderr, flush=True)


def measure_cells(table, running, where=""):
    """The three kinds of cells, in a session that has the variable v."""
    table.add(f"expression cell{where}", running.cells(lambda i: f"v.len() + {i}"))
    table.add(f"`let` cell{where}", running.cells(lambda i: f"let a{i} = v.len() + {i};"))
    table.add(f"statement cell{where}", running.cells(lambda i: f'println!("{{}}", v.len() + {i});'))


def measure_disk_and_cells(table, running):
    """What a session takes, before and after many cells."""
    table.add("disk that a session's start and first cell cost", f"{running.disk():.0f} MB")
    measure_cells(table, running)
    table.add("memory after these cells, all processes", f"{running.memory():.0f} MB")


def measure(kernel, rounds):
    """All that is measured of one kernel."""
    table = Table()
    print(f"{kernel.title}:", file=sys.stderr)
    for _ in range(rounds):
        with session(kernel) as running:
            table.add("start to ready", running.ready)
            table.add("first cell, right then: `let v = vec![1, 2, 3]; v`", running.cell(VALUE))
            table.add("shutdown", running.shut_down())
    for _ in range(rounds):
        with session(kernel) as running:
            table.add("first cell, right then: `1 + 1`", running.cell("1 + 1"))
            table.add("first `let`, after a first cell `1 + 1`", running.cell("let n = 1;"))
    for _ in range(rounds if kernel.ours else 0):
        with session(kernel) as running:
            table.add(LIBRARY_ROW, running.cell(LIBRARY))
    with session(kernel) as running:
        running.cell(VALUE)
        measure_disk_and_cells(table, running)
        # The first session's cell runs on while the second one starts and works.
        busy = running.client.execute("std::thread::sleep(std::time::Duration::from_secs(40));")
        time.sleep(2.0)
        with session(kernel) as second:
            table.add("second session: start to ready", second.ready)
            table.add("second session: first cell", second.cell(VALUE))
            measure_cells(table, second, ", second session")
        running.reply(busy, PATIENCE)
        running.idle(busy, PATIENCE)
        table.add("interrupt of a cell that runs, to its reply", running.interrupt(kernel.loop, "v"))
    if kernel.ours:
        with session(kernel) as running:
            running.cell(VALUE)
            forever = Kernel.loop
            table.add("interrupt of a plain loop that never looks, to its reply", running.interrupt(forever, "v"))
    return table


def measure_with_crate(kernel):
    """What differs in the stock kernel once a cell has asked for the crate, which it builds first."""
    table = Table()
    print("with the crate:", file=sys.stderr)
    with session(kernel) as running:
        dependency = f":dep noisebook = {{ path = {json.dumps(str(ROOT))} }}\n"
        table.add(LIBRARY_ROW, running.cell(dependency + LIBRARY, patience=1_800))
        running.cell(VALUE)
        measure_disk_and_cells(table, running)
    return table


def machine():
    """The machine in a few words."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), processor)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    rust = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=False).stdout.split()
    return f"{processor}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GB; Rust {rust[1] if rust else '?'}"


def stock_specs(program, folder):
    """A place for kernelspecs that knows the stock kernel only."""
    spec = {
        "argv": [str(Path(program).absolute()), "--control_file", "{connection_file}"],
        "display_name": "stock",
        "language": "rust",
        "interrupt_mode": "message",
    }
    (folder / "stock").mkdir()
    (folder / "stock" / "kernel.json").write_text(json.dumps(spec))
    return KernelSpecManager(kernel_dirs=[str(folder)], ensure_native_kernel=False)


def main():
    parser = argparse.ArgumentParser(description="Measure the kernel beside the stock Rust kernel.")
    parser.add_argument("stock", nargs="?", metavar="STOCK_PROGRAM")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--with-crate", action="store_true")
    arguments = parser.parse_args()
    specs = KernelSpecManager()
    try:
        specs.get_kernel_spec("noisebook")
    except NoSuchKernel:
        sys.exit("Jupyter knows no kernel named noisebook: 'noisebook install' (or 'make kernel') registers it")
    looks = "while !noisebook::show::interrupted() { std::thread::sleep(std::time::Duration::from_millis(10)); }"
    ours = Kernel("noisebook", "noisebook", specs, ours=True, loop=looks)
    columns = {ours.title: measure(ours, arguments.rounds)}
    if arguments.stock and Path(arguments.stock).is_file():
        with tempfile.TemporaryDirectory() as folder:
            stock = Kernel("stock kernel", "stock", stock_specs(arguments.stock, Path(folder)), ours=False)
            columns[stock.title] = measure(stock, arguments.rounds)
            if arguments.with_crate:
                columns[f"{stock.title} with the crate"] = measure_with_crate(stock)
    else:
        print("There is no stock kernel to compare with: ours alone is measured.", file=sys.stderr)
    print(f"\n{machine()}\n")
    print("| | " + " | ".join(columns) + " |")
    print("|---" * (1 + len(columns)) + "|")
    for what in columns[ours.title].rows:
        print(f"| {what} | " + " | ".join(table.rows.get(what, Row(what)).shown() for table in columns.values()) + " |")


if __name__ == "__main__":
    main()
