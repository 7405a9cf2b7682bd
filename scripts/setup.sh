#!/bin/sh
# Makes $VENV from $PYTHON and installs the requirements: with `demo` those of `make demo` and
# `make up`, with `all` those of linters, types and tests as well. Says what is missing, and the
# command that installs it, before anything is written.
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

# A venv whose interpreter has gone (an upgraded system) is made anew.
"$VENV/bin/python" -c 'import pip' 2>/dev/null || {
    echo "setup: making $VENV with $("$PYTHON" --version)"
    "$PYTHON" -m venv --clear "$VENV"
}

# What is there already stays: `demo` takes nothing away from a venv that has all.
what="${1:-all}"
echo "setup: installing requirements into $VENV ($what)"
pip="$VENV/bin/python -m pip --disable-pip-version-check --quiet install"
case "$what" in
demo)
    $pip -r requirements.txt
    $pip --no-deps -r requirements-demo.txt
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
