"""Measure the kernel beside the stock Rust kernel and print a Markdown table.

usage: bench_kernel.py [--rounds N] [STOCK_PROGRAM]

STOCK_PROGRAM is an evcxr_jupyter; without one, ours alone is measured. Ours is the kernel that Jupyter knows as
`noisebook`. Each figure that depends on a session's start is the median of N sessions, the others come from one session.
"""

import argparse
import contextlib
import json
import os
import platform
import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_client import BlockingKernelClient, KernelManager
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

VALUE = "let v = vec![1, 2, 3];\nv"
LIBRARY = "use noisebook::prelude::*;\nlet digits = Dataset::digits()?;\ndigits"
CELLS = 20
PATIENCE = 120.0  # seconds for one cell
# Without these: the stock kernel does not expect them, and ours ignores them.
UNWANTED = ("CARGO_TARGET_DIR", "RUSTFLAGS", "RUSTC_WRAPPER", "CARGO_BUILD_JOBS")


@dataclass
class Kernel:
    """One of the two that are compared."""

    title: str
    name: str
    specs: KernelSpecManager
    ours: bool
    # A loop that ends at the first interrupt.
    loop: str = "loop { std::thread::sleep(std::time::Duration::from_millis(10)); }"


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


class Session:
    """A running kernel and a client of it."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.folder = tempfile.mkdtemp(prefix="bench-kernel-")  # the stock kernel builds there
        environment = {name: value for name, value in os.environ.items() if name not in UNWANTED}
        environment["TMPDIR"] = self.folder
        self.manager = KernelManager(kernel_name=kernel.name, kernel_spec_manager=kernel.specs)
        begin = time.monotonic()
        self.manager.start_kernel(env=environment, cwd=self.folder, stderr=subprocess.DEVNULL)
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.ready = self.wait_until_ready(begin)

    def wait_until_ready(self, begin):
        """Seconds until the kernel answered and what it broadcasts arrives."""
        while time.monotonic() - begin < PATIENCE:
            request = self.client.kernel_info()
            with contextlib.suppress(queue.Empty):
                self.reply(request, 0.25)
                self.idle(request, 0.25)
                return time.monotonic() - begin
        raise TimeoutError(f"{self.kernel.title} was not ready in {PATIENCE:.0f} s")

    def reply(self, request, patience):
        """The reply to a request on the shell channel."""
        end = time.monotonic() + patience
        while True:
            message = self.client.get_shell_msg(timeout=max(0.001, end - time.monotonic()))
            if message["parent_header"].get("msg_id") == request:
                return message["content"]

    def idle(self, request, patience):
        """What was broadcast for a request, until the kernel is idle again."""
        end, seen = time.monotonic() + patience, []
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.001, end - time.monotonic()))
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return seen
            seen.append(message)

    def cell(self, code):
        """Seconds that a cell takes, which must not fail."""
        begin = time.monotonic()
        request = self.client.execute(code)
        reply = self.reply(request, PATIENCE)
        outputs = self.idle(request, PATIENCE)
        seconds = time.monotonic() - begin
        # The stock kernel's failures are text on standard error.
        if reply["status"] != "ok" or any(o["content"].get("name") == "stderr" or o["msg_type"] == "error" for o in outputs):
            raise RuntimeError(f"{self.kernel.title}: this cell failed:\n{code}\n{outputs}")
        return seconds

    def cells(self, make):
        """The median of many cells."""
        return statistics.median(self.cell(make(i)) for i in range(CELLS))

    def processes(self):
        """The kernel's process and all below it."""
        parents = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with contextlib.suppress(OSError):
                    status = (folder / "stat").read_text()
                    parents.setdefault(int(status.rpartition(")")[2].split()[1]), []).append(int(folder.name))
        found = [self.manager.provisioner.pid]
        for pid in found:
            found += parents.get(pid, [])
        return found

    def memory(self):
        """MB of the kernel's processes; a page that several use is shared out among them."""
        total = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024

    def disk(self):
        """MB of the session's own files; a file that is also linked elsewhere costs nothing."""
        folders = [Path(self.folder)]
        if self.kernel.ours:
            cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
            folders += cache.glob(f"noisebook/kernel/*/sessions/{self.manager.provisioner.pid}-*")
        names = {}
        for folder in folders:
            for path in folder.rglob("*"):
                with contextlib.suppress(OSError):
                    status = path.lstat()
                    names.setdefault((status.st_dev, status.st_ino), []).append(status)
        own = (found[0].st_blocks for found in names.values() if found[0].st_nlink <= len(found) or path_is_folder(found[0]))
        return sum(own) * 512 / 1e6

    def interrupt(self, code, variable):
        """Seconds from an interrupt to the reply, how many interrupts it took, and whether a variable lived on."""
        request = self.client.execute(code)
        time.sleep(3.0)  # compiled and running
        for count in (1, 2):
            begin = time.monotonic()
            self.manager.interrupt_kernel()
            with contextlib.suppress(queue.Empty):
                self.reply(request, 10.0)
                seconds = time.monotonic() - begin
                self.idle(request, PATIENCE)
                kept = self.is_there(variable)
                times = "" if count == 1 else ", at the second interrupt"
                return f"{seconds:.2f} s{times}; earlier variables {'kept' if kept else 'lost'}"
        return "no reply in 20 s"

    def is_there(self, variable):
        """Whether a variable can still be used."""
        with contextlib.suppress(RuntimeError):
            self.cell(f"{variable}.len()")
            return True
        return False

    def shut_down(self):
        """Seconds until the kernel's process has ended, from the request on."""
        begin = time.monotonic()
        self.client.shutdown()
        while self.manager.is_alive() and time.monotonic() - begin < 12:
            time.sleep(0.005)
        seconds, ended = time.monotonic() - begin, not self.manager.is_alive()
        self.close()
        return seconds if ended else "not in 12 s"

    def close(self):
        """Leaves nothing behind, whatever happened."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        shutil.rmtree(self.folder, ignore_errors=True)


def path_is_folder(status):
    """A folder has links of its own: its subfolders'."""
    return status.st_mode & 0o170000 == 0o040000


@contextlib.contextmanager
def session(kernel):
    """A session that ends with its block."""
    running = Session(kernel)
    try:
        yield running
    finally:
        running.close()


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
            table.add("first cell, right then, with a library value: `use ...; let digits = Dataset::digits()?; digits`", running.cell(LIBRARY))
    with session(kernel) as running:
        running.cell(VALUE)
        table.add("disk that a session's start and first cell cost", f"{running.disk():.0f} MB")
        measure_cells(table, running)
        table.add("memory after these cells, all processes", f"{running.memory():.0f} MB")
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
    arguments = parser.parse_args()
    specs = KernelSpecManager()
    try:
        specs.get_kernel_spec("noisebook")
    except NoSuchKernel:
        sys.exit("Jupyter knows no kernel named noisebook: 'noisebook install' (or 'make kernel') registers it")
    looks = "while !noisebook::show::interrupted() { std::thread::sleep(std::time::Duration::from_millis(10)); }"
    kernels = [Kernel("noisebook", "noisebook", specs, ours=True, loop=looks)]
    with tempfile.TemporaryDirectory() as folder:
        if arguments.stock and Path(arguments.stock).is_file():
            kernels.append(Kernel("stock kernel (evcxr_jupyter 0.22.0)", "stock", stock_specs(arguments.stock, Path(folder)), ours=False))
        else:
            print("There is no stock kernel to compare with: ours alone is measured.", file=sys.stderr)
        tables = [measure(kernel, arguments.rounds) for kernel in kernels]
    print(f"\n{machine()}\n")
    print("| | " + " | ".join(kernel.title for kernel in kernels) + " |")
    print("|---" * (1 + len(kernels)) + "|")
    for what in tables[0].rows:
        print(f"| {what} | " + " | ".join(table.rows.get(what, Row(what)).shown() for table in tables) + " |")


if __name__ == "__main__":
    main()
