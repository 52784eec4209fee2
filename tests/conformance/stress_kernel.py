"""What a kernel goes through in a bad week: `make stress-kernel`, about half an hour.

    python stress_kernel.py [interrupts] [messages] [cells] [--seed N]

interrupts  200 at random moments of training, of compilation and of idleness: no earlier variable is lost, nothing hangs
messages    10,000 malformed or wrongly signed ones on every socket: the kernel lives, and the next cell works
cells       1,000 in one session: the last take no longer than the first; memory is printed
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import time

import zmq
from jupyter_client import KernelManager

PREPARE = """use noisebook::prelude::*;
let digits = Dataset::digits()?;
let kept = vec![1, 2, 3];
let unet = UNet::builder().channels(1).image_size(8).base_channels(8).classes(10).build()?;
let model = Diffusion::new(&unet, &Schedule::cosine(1_000)?, Prediction::V)?;"""
STILL_THERE = "digits.len() + kept.len() + model.schedule().levels()"
SUM = "2800"


class Kernel:
    def __init__(self):
        self.manager = KernelManager(kernel_name="noisebook")
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def reply(self, request, timeout):
        """The reply to a request, and the plain text of the cell's value."""
        value = None
        deadline = time.monotonic() + timeout
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "execute_result":
                value = message["content"]["data"]["text/plain"]
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
        while True:
            message = self.client.get_shell_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") == request:
                return message["content"], value

    def run(self, code, timeout=120):
        content, value = self.reply(self.client.execute(code), timeout)
        assert content["status"] == "ok", content
        return value

    def check(self):
        assert self.run(STILL_THERE) == SUM

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel()


def interrupts(number=200):
    """Three kinds of moments, at random."""
    kernel = Kernel()
    kernel.run(PREPARE)
    longest, counts = 0.0, {}
    for index in range(number):
        kind = random.choice(["training", "training", "compiling", "compiling", "idle"])
        if kind == "idle":
            kernel.manager.interrupt_kernel()
            time.sleep(random.uniform(0, 0.3))
        else:
            if kind == "training":
                code, wait = "let run = Trainer::new(&model).steps(1_000_000).batch_size(8).fit(&digits)?;", 3.0
            else:
                code, wait = f"let unmade{index} = kept.len(); std::thread::sleep(std::time::Duration::from_secs(1));", 0.45
            request = kernel.client.execute(code)
            time.sleep(random.uniform(0, wait))
            begin = time.monotonic()
            kernel.manager.interrupt_kernel()
            content, _ = kernel.reply(request, 30)
            longest = max(longest, time.monotonic() - begin)
            assert content["status"] == "error" and content["ename"] == "Interrupted", (kind, content)
        kernel.check()
        counts[kind] = counts.get(kind, 0) + 1
        print(f"\r{index + 1} interrupts: {counts}, the longest took {longest:.2f} s", end="", flush=True)
    print()
    kernel.stop()


def nonsense(key):
    """One message that means nothing: frames at random, or a good shape with a wrong signature, or bad JSON well signed."""
    import hashlib
    import hmac

    header = {"msg_id": "x", "session": "s", "username": "u", "date": "", "msg_type": "execute_request", "version": "5.3"}
    parts = [json.dumps(header).encode(), b"{}", b"{}", json.dumps({"code": "kept.clear()"}).encode()]
    choice = random.randrange(6)
    if choice == 0:
        return [random.randbytes(random.randrange(200)) for _ in range(random.randrange(1, 9))]
    if choice == 1:
        return [b"<IDS|MSG>", random.randbytes(32).hex().encode(), *parts]
    if choice == 2:
        return [b"<IDS|MSG>", b"", *parts]
    if choice == 3:
        return [b"<IDS|MSG>", *parts[: random.randrange(5)]]
    broken = list(parts)
    broken[random.randrange(4)] = random.choice([b"", b"[]", b"null", b"{", b"\xff\xfe", b"7", b'{"a":' * 500])
    if choice == 4:
        broken[0] = json.dumps({**header, "msg_type": random.choice(["", "nothing_request", 5, None])}).encode()
    signature = hmac.new(key, digestmod=hashlib.sha256)
    for part in broken:
        signature.update(part)
    return [b"<IDS|MSG>", signature.hexdigest().encode(), *broken]


def messages(number=10_000):
    kernel = Kernel()
    kernel.run(PREPARE)
    info = kernel.manager.get_connection_info()
    key = info["key"] if isinstance(info["key"], bytes) else info["key"].encode()
    context = zmq.Context()
    kinds = {"shell": zmq.DEALER, "control": zmq.DEALER, "stdin": zmq.DEALER, "hb": zmq.DEALER, "iopub": zmq.XSUB}
    for channel, kind in kinds.items():
        socket = context.socket(kind)
        socket.linger = 0
        socket.connect(f"tcp://{info['ip']}:{info[channel + '_port']}")
        for index in range(number):
            socket.send_multipart(nonsense(key))
            if index % 1000 == 999:
                time.sleep(0.2)
        time.sleep(1)
        socket.close()
        begin = time.monotonic()
        kernel.check()
        print(f"{channel}: {number} messages; the next cell took {time.monotonic() - begin:.2f} s")
    kernel.stop()


def memory(pid):
    """Proportional set size of a process and its descendants, in MB."""
    pids = [str(pid)]
    for parent in pids:
        pids += subprocess.run(["pgrep", "-P", parent], capture_output=True, text=True).stdout.split()
    total = 0
    for process in pids:
        try:
            with open(f"/proc/{process}/smaps_rollup") as rollup:
                total += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        except OSError:
            pass
    return total / 1024


def cells(number=1_000):
    kernel = Kernel()
    kernel.run(PREPARE)
    time.sleep(30)
    pid = kernel.manager.provisioner.process.pid
    took = []
    for index in range(number):
        begin = time.monotonic()
        if index % 2:
            kernel.run(f"let value = kept.len() + {index};")
        else:
            assert kernel.run(f"kept.len() + {index}") == str(3 + index)
        took.append(time.monotonic() - begin)
        if index % 100 == 99:
            last = statistics.median(took[-100:])
            print(f"cells {index - 98} to {index + 1}: median {last:.2f} s; {memory(pid):.0f} MB", flush=True)
    first, last = statistics.median(took[:200]), statistics.median(took[-200:])
    assert last < 1.5 * first + 0.1, f"the last cells took {last:.2f} s, the first {first:.2f} s"
    kernel.check()
    kernel.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[[], "interrupts", "messages", "cells"])
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    arguments = parser.parse_args()
    print("seed", arguments.seed)
    random.seed(arguments.seed)
    for name, part in {"interrupts": interrupts, "messages": messages, "cells": cells}.items():
        if not arguments.what or name in arguments.what:
            part()
