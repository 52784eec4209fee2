"""Check what the locked dependencies bring: licences, sources, and crates that have no place here.

Reads `cargo metadata`, so it needs no network and no further tool. Every licence must be one that may be linked into
MIT OR Apache-2.0 code; every crate must come from the one registry; nothing may open a connection.
"""

import json
import re
import subprocess
import sys

# MPL-2.0 binds the files it covers, not what links them.
ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    # Mozilla's list of certificate authorities: data, free to use, share and change.
    "CDLA-Permissive-2.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}
# Building must not fetch, and a notebook must not call home. ureq is there for Dataset::fetch, which a reader calls by name.
BANNED = {"curl", "hyper", "native-tls", "openssl", "openssl-sys", "reqwest"}


def is_allowed(expression):
    """Whether an SPDX expression can be met with allowed licences; the old `MIT/Apache-2.0` is read as OR."""
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))

    def either():
        met = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            met = both() or met
        return met

    def both():
        met = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            met = one() and met
        return met

    def one():
        token = tokens.pop(0)
        if token == "(":
            met = either()
            tokens.pop(0)
            return met
        if tokens and tokens[0] == "WITH":
            token = f"{token} {tokens.pop(0)} {tokens.pop(0)}"
        return token in ALLOWED

    return either()


def complaints(metadata):
    """One line for each crate that should not be there."""
    for package in metadata["packages"]:
        name, source = f"{package['name']} {package['version']}", package["source"]
        if not package["license"] or not is_allowed(package["license"]):
            yield f"{name}: its licence, {package['license'] or 'none'}, is not in the list of allowed ones"
        if package["name"] in BANNED:
            yield f"{name}: this crate opens connections, and nothing here may"
        if source is None and package["id"] not in metadata["workspace_members"]:
            yield f"{name}: it comes from a folder; only the registry's crates may be dependencies"
        if source is not None and not source.startswith("registry+"):
            yield f"{name}: it comes from {source}; only the registry's crates may be dependencies"
    sources = {package["source"] for package in metadata["packages"] if package["source"]}
    if len(sources) > 1:
        yield f"{len(sources)} registries are in use; there should be one"
    for package in metadata["packages"]:
        if package["id"] in metadata["workspace_members"]:
            for dependency in package["dependencies"]:
                if dependency["req"] == "*":
                    yield f"{package['name']}: the dependency {dependency['name']} asks for any version; name one"


def main():
    command = ["cargo", "metadata", "--locked", "--all-features", "--format-version", "1"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)
    metadata = json.loads(done.stdout)
    found = list(complaints(metadata))
    for line in found:
        print(line)
    if found:
        sys.exit(1)
    print(f"{len(metadata['packages'])} crates: licences, sources and bans are in order")


if __name__ == "__main__":
    main()
