#!/bin/sh
# Looks for what the build needs from the system. Prints nothing if all is there, else one line that says what to install.
# usage: check_system.sh [PYTHON]
python=${1:-python3}

missing() {
    echo "noisebook needs $1"
    exit 0
}

# --version: rustup's proxies exist even where no toolchain does.
rust=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) && [ -n "$rust" ] && cargo --version >/dev/null 2>&1 ||
    missing "Rust 1.95 or later, and found none: install it with rustup (https://rustup.rs)"
minor=$(echo "$rust" | cut -d . -f 2)
[ "${rust%%.*}" -gt 1 ] || [ "$minor" -ge 95 ] ||
    missing "Rust 1.95 or later, and found $rust: run 'rustup update stable'"

for tool in cc c++; do
    command -v "$tool" >/dev/null 2>&1 ||
        missing "a C++ compiler, and found no '$tool': install one (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++; macOS: xcode-select --install)"
done
echo '#include <vector>' | c++ -std=c++17 -fsyntax-only -x c++ - 2>/dev/null ||
    missing "a C++ compiler with C++17's standard library, and '$(command -v c++)' lacks it: install g++ (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++)"

command -v "$python" >/dev/null 2>&1 ||
    missing "Python 3.10 to 3.14, and found no '$python': install it (Debian, Ubuntu: apt install python3 python3-venv; Fedora: dnf install python3), or name one with PYTHON=..."
"$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 15))' 2>/dev/null ||
    missing "Python 3.10 to 3.14, and '$python' is $("$python" --version 2>&1): name another one with PYTHON=..."
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    missing "Python's module venv, and '$python' lacks it: install it (Debian, Ubuntu: apt install python3-venv)"
