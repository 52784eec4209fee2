"""Trains and samples here and in PyTorch, in turn, and prints the ratios. `make bench` calls it.

usage: bench_speed.py RUST_PROGRAM [--rounds N] [--threads N] [--only "train small"]

All programs of a case stay in memory and make one short round after another, so that what else the machine does slows all of them. The
ratio is PyTorch's time over ours, 1 or more where we are as fast: of the medians by the clock on the wall, and of the least CPU times,
which other programs disturb less. PyTorch's is the best of its settings: both layouts, 2 threads and, for the small network, 1.
"""

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

YARDSTICK = Path(__file__).resolve().parents[1] / "benches/article_unet.py"

# The crate's step clips the gradient and averages the weights; the yardstick's does so if it is told.
WHOLE = "with clipping and average"

# what, network, images, steps a round
CASES = [
    ("train", "article", 8, 1),
    ("sample", "article", 8, 2),
    ("train", "small", 64, 5),
    ("sample", "small", 64, 5),
]


class Program:
    """One that waits for its turn."""

    def __init__(self, name, words):
        self.name, self.times, self.last = name, [], ""
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def wait(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended: run it by itself to see why: {' '.join(map(str, self.process.args))}")
        return line.strip()

    def turn(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.times.append(tuple(float(word) for word in self.wait().split()))

    def end(self):
        self.process.stdin.close()
        self.last = self.wait()
        self.process.wait()

    def wall(self):
        return statistics.median(wall for wall, _ in self.times)

    def cpu(self):
        return min(cpu for _, cpu in self.times)


def measure(rust, case, rounds, threads):
    what, net, batch, steps = case
    common = [what, "--net", net, "--batch", str(batch), "--steps", str(steps), "--turns"]
    programs = [Program("noisebook", [rust, *common, "--threads", str(threads)])]
    for count in {threads, 1} if net == "small" else {threads}:
        for layout in ([], ["--channels-last"]):
            name = f"PyTorch, {count} thread{'s' if count > 1 else ''}{', channels last' if layout else ''}"
            words = [sys.executable, str(YARDSTICK), *common, "--threads", str(count), *layout]
            programs.append(Program(name, words))
            if what == "train" and count == programs_threads(net, threads):
                programs.append(Program(f"{name}, {WHOLE}", [*words, "--whole"]))
    for program in programs:
        program.wait()
    for program in programs:
        program.turn()
        program.times.clear()  # to be warm
    for _ in range(rounds):
        for program in programs:
            program.turn()
    images = batch * (steps if what == "train" else 1)
    print(f"\n{what}, {net} network, {batch} images{f' a step, {steps} steps' if what == 'train' else f', DDIM of {steps} steps'}")
    for program in programs:
        program.end()
        print(
            f"  {program.name:64} {images / program.wall():8.2f} images/s, {1e3 * program.cpu() / images:8.2f} ms of CPU an image, {program.last}"
        )
    return [ratio(what, net, programs, whole) for whole in ([False, True] if what == "train" else [False])]


def programs_threads(net, threads):
    """Where the small network is fastest, so that the whole step is measured there."""
    return 1 if net == "small" else threads


def ratio(what, net, programs, whole):
    ours, others = programs[0], [program for program in programs[1:] if program.name.endswith(WHOLE) == whole]
    wall, cpu = min(p.wall() for p in others) / ours.wall(), min(p.cpu() for p in others) / ours.cpu()
    return f"{what}, {net}{', ' + WHOLE if whole else ''}", wall, cpu


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rust")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", help="cases whose words hold this, as 'train small'")
    o = parser.parse_args()
    cases = [case for case in CASES if not o.only or all(word in case for word in o.only.split())]
    results = [line for case in cases for line in measure(o.rust, case, o.rounds, o.threads)]
    print("\nratio (1 or more: as fast as PyTorch's best setting)\n" f"{'':48}{'clock':>8}{'CPU':>8}")
    for name, wall, cpu in results:
        print(f"{name:48}{wall:8.2f}{cpu:8.2f}")


if __name__ == "__main__":
    main()
