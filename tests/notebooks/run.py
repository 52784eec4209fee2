"""Runs the tests of the notebooks, two at a time, each in a process of its own.

usage: run.py OUTPUT_FOLDER [--save] [NUMBER ...]     (`make test` and `make notebooks` call it)

The folder gets every notebook executed, as .ipynb and .html. With --save the executed notebooks take the place of those
in notebooks/, if their tests passed. Numbers, such as 04, choose; without, all run.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
AT_ONCE = 2


def test(file, folder):
    """Whether a file of tests passes; its report."""
    begin = time.monotonic()
    environment = dict(os.environ, NOTEBOOKS_OUT=str(folder), PYTHONPATH=str(HERE))
    command = [sys.executable, "-m", "unittest", file.stem]
    done = subprocess.run(command, cwd=HERE, env=environment, text=True, capture_output=True)
    # unittest ends with 0 where it found nothing at all.
    passed = done.returncode == 0 and "Ran 0 tests" not in done.stderr
    # What is of interest of a good run is one line.
    report = "" if passed else done.stdout + done.stderr
    counted = next((line for line in done.stderr.splitlines() if line.startswith("Ran ")), "no test ran")
    print(f"{'passed' if passed else 'FAILED'}  {file.stem}: {counted.split(' in ')[0]}, {time.monotonic() - begin:.0f} s")
    print(report, end="", flush=True)
    return passed


def save(folder, number):
    """The executed notebooks of a number take the place of the sources."""
    for path in sorted((ROOT / "notebooks").rglob(f"{number}-*.ipynb")):
        place = path.relative_to(ROOT / "notebooks")
        executed = folder / place.with_suffix("") / place.name
        if executed.exists():
            shutil.copyfile(executed, path)


def main():
    parser = argparse.ArgumentParser(description="Run the tests of the notebooks.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("numbers", nargs="*")
    arguments = parser.parse_args()
    if arguments.save and os.environ.get("NOISEBOOK_STEPS"):
        sys.exit("--save is for whole runs: unset NOISEBOOK_STEPS")
    folder = arguments.folder.resolve()
    files = sorted(HERE.glob("test_*.py"))
    if arguments.numbers:
        files = [file for file in files if file.stem.split("_")[1] in arguments.numbers]
    if not files:
        sys.exit(f"no tests of {' '.join(arguments.numbers)}")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        passed = list(pool.map(lambda file: test(file, folder), files))
    failed = passed.count(False)
    for file, good in zip(files, passed):
        if arguments.save and good:
            save(folder, file.stem.split("_")[1])
    print(f"{len(passed) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
