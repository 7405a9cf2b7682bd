#!/bin/sh
# Creates $VENV from $PYTHON and installs requirements. `demo` installs those of `make demo` and
# `make up`; `all` also installs linters, type checker and tests. Before it writes anything, the
# script names each missing program and the command that installs it.
set -eu

die() {
    echo "setup: $1" >&2
    echo "setup: install it with:  sudo apt-get install $2" >&2
    exit 1
}

command -v git >/dev/null 2>&1 || die "git was not found." git
command -v "$PYTHON" >/dev/null 2>&1 || die "$PYTHON was not found." "python3 python3-venv"

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: $("$PYTHON" --version) is too old: 3.11 or later is needed." >&2
    echo "setup: name another one with:  make setup PYTHON=/path/to/python3.11" >&2
    exit 1
}

# Debian ships venv without ensurepip until python3-venv is installed.
"$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || die "Python's venv module was not found." python3-venv

# If the venv's interpreter is gone (after a system upgrade), the venv is created anew.
"$VENV/bin/python" -c 'import pip' 2>/dev/null || {
    echo "setup: making $VENV with $("$PYTHON" --version)"
    "$PYTHON" -m venv --clear "$VENV"
}

# Installed packages stay: `demo` removes nothing from a venv that has everything.
what="${1:-all}"
echo "setup: installing requirements into $VENV ($what)"
pip="$VENV/bin/python -m pip --disable-pip-version-check --quiet install"
case "$what" in
demo)
    # Python compiles what it imports, which is half of it.
    $pip --no-compile -r requirements.txt
    $pip --no-compile --no-deps -r requirements-demo.txt
    ;;
all)
    $pip -r requirements-dev.txt
    $pip --no-deps -r requirements-demo.txt -r requirements-reference.txt
    ;;
*)
    echo "setup: '$what' is neither 'demo' nor 'all'." >&2
    exit 1
    ;;
esac
