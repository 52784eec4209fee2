"""Print the folder of the first libtorch 2.11.0 among some candidates.

usage: find_libtorch.py CANDIDATE...

A candidate is a libtorch folder (it holds lib/, include/ and build-version or version.py), or `import` for the torch
of the Python that runs this. Prints nothing if none fits. torch itself is never imported: that takes seconds.
"""

import importlib.util
import re
import sys
from pathlib import Path

VERSION = "2.11.0"  # what the crate tch 0.24 is made for


def version_of(folder):
    """libtorch's version without its build tag (2.11.0+cpu is 2.11.0), or None."""
    for name in ("version.py", "build-version"):
        if (folder / name).is_file():
            found = re.search(r"\d+\.\d+\.\d+", (folder / name).read_text())
            return found and found[0]
    return None


def is_whole(folder):
    """Whether one can build against it: some distributions split it into packages."""
    library = any((folder / "lib" / f"libtorch_cpu.{end}").is_file() for end in ("so", "dylib"))
    return library and (folder / "include" / "torch").is_dir()


def main():
    for candidate in sys.argv[1:]:
        folder = Path(candidate)
        if candidate == "import":
            spec = importlib.util.find_spec("torch")
            if spec is None or not spec.submodule_search_locations:
                continue
            folder = Path(spec.submodule_search_locations[0])
        if is_whole(folder) and version_of(folder) == VERSION:
            print(folder.absolute())
            return


if __name__ == "__main__":
    main()
