#!/bin/sh
# Makes the virtual environment and finds libtorch 2.11.0; does nothing if both are as they should be.
# usage: setup.sh VENV [PYTHON]
# Leaves VENV/noisebook.env, which a shell sources (`. .venv/noisebook.env`) before cargo or jupyter.
set -eu
here=$(dirname "$0")
venv=$1
python=${2:-python3}
torch=2.11.0

say() { printf '==> %s\n' "$*"; }
fail() {
    echo "noisebook: $*" >&2
    exit 1
}

find_libtorch() {
    interpreter=$1
    shift
    "$interpreter" "$here/find_libtorch.py" "$@"
}

# The first that fits: the reader's own LIBTORCH, then what an earlier run settled on, then this Python's torch.
settle_libtorch() {
    if [ -n "${LIBTORCH:-}" ]; then
        find_libtorch "$python" "$LIBTORCH"
        return
    fi
    found=
    [ ! -f "$venv/libtorch" ] || found=$(find_libtorch "$python" "$(cat "$venv/libtorch")")
    [ -n "$found" ] || [ ! -x "$venv/bin/python" ] || found=$(find_libtorch "$venv/bin/python" import)
    [ -n "$found" ] || found=$(find_libtorch "$python" import)
    echo "$found"
}

libtorch=$(settle_libtorch)
[ -n "$libtorch" ] || [ -z "${LIBTORCH:-}" ] ||
    fail "LIBTORCH=$LIBTORCH is not a whole libtorch $torch: unset it (a matching one is then found or installed) or name one that is"

# The stamp is what is to be installed, so a changed pin or a half-made environment is mended.
stamp="$venv/noisebook.stamp"
wanted=$(cat "$here/requirements.txt")
if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import sys' 2>/dev/null; then
    say "Making a Python environment in $venv"
    rm -f "$stamp"
    "$python" -m venv --clear "$venv" || fail "could not make a virtual environment in $venv"
fi
if [ -z "$libtorch" ] || [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
    set -- -r "$here/requirements.txt"
    if [ -z "$libtorch" ]; then
        say "Installing JupyterLab and torch $torch (3 to 10 minutes; up to 5 GB on disk, with CUDA)"
        set -- "$@" "torch==$torch"
    else
        say "Installing JupyterLab (about a minute); libtorch $torch is already in $libtorch"
    fi
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" ||
        fail "pip could not install these packages: is there a network and 10 GB of free disk? Run the same command again to go on"
    printf '%s\n' "$wanted" >"$stamp"
    [ -n "$libtorch" ] || libtorch=$(find_libtorch "$venv/bin/python" import)
    [ -n "$libtorch" ] || fail "torch $torch is installed in $venv, but it has no libtorch that one can build against"
    # torch's packages have all of CUDA's headers but these.
    headers="$libtorch/../nvidia/cu13/include"
    if [ -f "$headers/cuda_runtime_api.h" ] && [ ! -f "$headers/crt/host_config.h" ] && [ "${libtorch#"$venv"/}" != "$libtorch" ]; then
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'nvidia-cuda-crt==13.0.*' ||
            say "The last headers of CUDA could not be installed: no CUDA graphs, all else works"
    fi
fi
printf '%s\n' "$libtorch" >"$venv/libtorch"

venv=$(cd "$venv" && pwd)
new=$(mktemp "$venv/noisebook.env.XXXXXX")
# LD_LIBRARY_PATH is for documentation tests, which get no rpath. OMP_WAIT_POLICY: on a busy machine, OpenMP threads that
# spin while they wait for one another make small networks ten times slower.
cat >"$new" <<EOF
export LIBTORCH='$libtorch'
export LD_LIBRARY_PATH='$libtorch/lib'"\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export PATH='$venv/bin':"\$PATH"
export OMP_WAIT_POLICY="\${OMP_WAIT_POLICY:-passive}"
EOF
mv "$new" "$venv/noisebook.env"
