"""A session of a kernel, as bench_kernel.py measures it."""

import contextlib
import os
import queue
import shutil
import stat
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from jupyter_client import BlockingKernelClient, KernelManager
from jupyter_client.kernelspec import KernelSpecManager

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


class Session:
    """A running kernel and a client of it."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.folder = tempfile.mkdtemp(prefix="bench-kernel-")  # the stock kernel builds there
        environment = {name: value for name, value in os.environ.items() if name not in UNWANTED}
        environment["TMPDIR"] = self.folder
        self.manager = KernelManager(kernel_name=kernel.name, kernel_spec_manager=kernel.specs)
        begin = time.monotonic()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.manager.start_kernel(env=environment, cwd=self.folder, **quiet)
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.ready = self.wait_until_ready(begin)

    def wait_until_ready(self, begin):
        """Seconds until the kernel answered and what it broadcasts arrives."""
        while time.monotonic() - begin < PATIENCE:
            request = self.client.kernel_info()
            with contextlib.suppress(queue.Empty):
                self.reply(request, 0.25)
                self.idle(request, 0.05)
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

    def cell(self, code, patience=PATIENCE):
        """Seconds that a cell takes, which must not fail."""
        begin = time.monotonic()
        request = self.client.execute(code)
        reply = self.reply(request, patience)
        outputs = self.idle(request, PATIENCE)
        seconds = time.monotonic() - begin
        # The stock kernel calls nothing an error: it says so on standard error, as it does where it builds.
        said = "".join(o["content"]["text"] for o in outputs if o["content"].get("name") == "stderr")
        if reply["status"] != "ok" or "error" in said or "panicked" in said:
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
        first = ((found[0], len(found)) for found in names.values())
        # A folder's links are its subfolders.
        own = (status for status, count in first if status.st_nlink <= count or stat.S_ISDIR(status.st_mode))
        return sum(status.st_blocks for status in own) * 512 / 1e6

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


@contextlib.contextmanager
def session(kernel):
    """A session that ends with its block."""
    running = Session(kernel)
    try:
        yield running
    finally:
        running.close()
