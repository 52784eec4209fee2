"""Tests of what `make` calls: the set-up's messages, the licence check, the page, the digits."""

import gzip
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
sys.path.insert(0, str(SCRIPTS))

import nbformat  # noqa: E402

import bench_kernel  # noqa: E402
import check_dependencies  # noqa: E402
import find_libtorch  # noqa: E402
import make_digits  # noqa: E402
import notebook_page  # noqa: E402


class SystemCheck(unittest.TestCase):
    """One line says what to install; nothing is said if all is there."""

    def said(self, **tools):
        """What the check prints where PATH holds only these programs, each a line of shell."""
        tools = {
            "rustc": "echo rustc 1.95.0 x",
            "cargo": "echo cargo 1.95.0",
            "cc": ":",
            "c++": "cat >/dev/null",
            "python3": ":",
            **{name.replace("cxx", "c++"): line for name, line in tools.items()},
        }
        with tempfile.TemporaryDirectory() as folder:
            for name in ("sh", "cut", "cat"):
                found = next(Path(p, name) for p in os.environ["PATH"].split(":") if Path(p, name).exists())
                Path(folder, name).symlink_to(found)
            for name, line in tools.items():
                if line is not None:
                    Path(folder, name).write_text(f"#!/bin/sh\n{line}\n")
                    Path(folder, name).chmod(0o755)
            done = subprocess.run(
                ["sh", SCRIPTS / "check_system.sh"], env={"PATH": folder}, capture_output=True, text=True, check=True
            )
        self.assertEqual(done.stderr, "")
        return done.stdout

    def test_silent_if_all_is_there(self):
        self.assertEqual(self.said(), "")

    def test_one_line_for_each_missing_thing(self):
        cases = [
            ({"rustc": None}, "found none: install it with rustup"),
            ({"rustc": "exit 1"}, "found none: install it with rustup"),
            ({"rustc": "echo rustc 1.94.1 x"}, "found 1.94.1: run 'rustup update stable'"),
            ({"cxx": None}, "apt install g++"),
            ({"cc": None}, "apt install g++"),
            ({"cxx": "exit 1"}, "standard library"),
            ({"python3": None}, "apt install python3 python3-venv"),
            ({"python3": "[ \"$1\" != --version ] || echo Python 3.9.1; exit 1"}, "is Python 3.9.1"),
            ({"python3": 'case "$2" in *venv*) exit 1;; esac'}, "apt install python3-venv"),
        ]
        for tools, expected in cases:
            with self.subTest(tools):
                said = self.said(**tools)
                self.assertEqual(said.count("\n"), 1)
                self.assertTrue(said.startswith("noisebook needs "), said)
                self.assertIn(expected, said)


class Licences(unittest.TestCase):
    """SPDX expressions are met or not."""

    def test_expressions(self):
        for allowed in ("MIT", "MIT OR GPL-3.0", "(GPL-3.0 OR MIT) AND Zlib", "MIT/Apache-2.0", "Apache-2.0 WITH LLVM-exception"):
            self.assertTrue(check_dependencies.is_allowed(allowed), allowed)
        for refused in ("GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Zlib) AND GPL-3.0", "GPL-2.0 WITH Classpath-exception-2.0"):
            self.assertFalse(check_dependencies.is_allowed(refused), refused)

    def test_each_complaint_names_its_crate(self):
        def crate(name, licence="MIT", source="registry+x"):
            return {"name": name, "version": "1.0.0", "license": licence, "source": source, "id": name, "dependencies": []}

        root = {**crate("root", source=None), "dependencies": [{"name": "loose", "req": "*"}]}
        packages = [root, crate("a", "GPL-3.0"), crate("reqwest"), crate("c", source="git+x"), crate("d", source=None)]
        found = list(check_dependencies.complaints({"packages": packages, "workspace_members": ["root"]}))
        for name in ("a 1.0.0", "reqwest 1.0.0", "c 1.0.0", "d 1.0.0", "2 registries", "root: the dependency loose"):
            self.assertTrue(any(line.startswith(name) for line in found), (name, found))
        self.assertEqual(len(found), 6)


class Libtorch(unittest.TestCase):
    """A folder is libtorch 2.11.0 only if it is whole."""

    def test_version_and_wholeness(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            self.assertIsNone(find_libtorch.version_of(folder))
            (folder / "build-version").write_text("2.11.0+cpu\n")
            self.assertEqual(find_libtorch.version_of(folder), "2.11.0")
            (folder / "include" / "torch").mkdir(parents=True)
            self.assertFalse(find_libtorch.is_whole(folder))
            (folder / "lib").mkdir()
            (folder / "lib" / "libtorch_cpu.so").touch()
            self.assertTrue(find_libtorch.is_whole(folder))


class Page(unittest.TestCase):
    """Formulas become MathML, code stays code."""

    def test_formulas(self):
        cell = nbformat.v4.new_markdown_cell(
            "# How $x_t$ is made\n\n`$HOME` and $x_t < 1$\n\n$$\\sigma \\& 1$$\n\n```sh\necho $A $B\n```\n"
        )
        page = notebook_page.standalone_html(nbformat.v4.new_notebook(cells=[cell]), "page")
        self.assertEqual(page.count("<math"), 3)
        self.assertEqual(page.count("<msub><mi>x</mi><mi>t</mi></msub>"), 2)
        self.assertIn("<code>$HOME</code>", page)
        self.assertIn("$A", page)
        self.assertNotIn("<script", page)


class Bench(unittest.TestCase):
    """Measurements become cells of a table."""

    def test_rows(self):
        shown = [bench_kernel.Row("x", values).shown() for values in ([], ["5 MB"], [3.0, 1.0, 2.26])]
        self.assertEqual(shown, ["-", "5 MB", "2.26 s"])

    def test_the_stock_kernel_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            specs = bench_kernel.stock_specs("/bin/true", Path(folder))
            self.assertEqual(specs.get_kernel_spec("stock").argv[0], "/bin/true")
            self.assertEqual(list(specs.find_kernel_specs()), ["stock"])


class Digits(unittest.TestCase):
    """The committed files are what make_digits.py writes."""

    def test_the_same_content_again(self):
        images = gzip.decompress((ROOT / "src/data/digits/images.idx3.gz").read_bytes())
        labels = gzip.decompress((ROOT / "src/data/digits/labels.idx1.gz").read_bytes())
        with tempfile.TemporaryDirectory() as name:
            again = Path(name, "again.gz")
            make_digits.write_idx(again, (1797, 8, 8), images[16:])
            self.assertEqual(gzip.decompress(again.read_bytes()), images)
            make_digits.write_idx(again, (1797,), labels[8:])
            self.assertEqual(gzip.decompress(again.read_bytes()), labels)


if __name__ == "__main__":
    unittest.main()
