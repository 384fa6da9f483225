#!/usr/bin/env bash
# Makes a virtual environment with exactly the versions and hashes of requirements/development.txt and the project itself, editable.
# Usage: scripts/setup.sh [FOLDER [PYTHON]]     (.venv, and the first Python from 3.11 on that is found)
# Does nothing when the folder is up to date. On Debian as root it installs what is missing; elsewhere it says what to install.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-.venv}
python=${2:-}
requirements=requirements/development.txt

fail() {
    printf 'error: %s\n\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

runs() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if runs "$name"; then
            command -v "$name"
            return
        fi
    done
}

install_packages() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing $*" >&2
        apt-get update -qq </dev/null >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$@" </dev/null >&2
    else
        fail "$* is missing" "install it with your system's package manager (Debian: apt-get install $*), then run this again"
    fi
}

command -v git >/dev/null || install_packages git
[ -n "$python" ] || python=$(find_python)
if [ -z "$python" ]; then
    install_packages python3 python3-venv
    python=$(find_python)
    [ -n "$python" ] || fail "no Python from 3.11 on was found" "install Python 3.11 or newer, then run this again"
fi

# The stamp holds what the folder was made from: the interpreter, the versions, the package's own metadata, and where the checkout lies.
wanted=$(cat "$requirements" pyproject.toml scripts/setup.sh | { sha256sum; "$python" -c 'import sys; print(sys.version)'; pwd; } | sha256sum)
exec 9<"$requirements"
flock 9 # two that set up the same checkout at once take turns
[ "$(cat "$folder/.made-from" 2>/dev/null)" = "$wanted" ] && exit 0

echo "making $folder with $("$python" --version); the first time everything is downloaded, which takes a minute or more" >&2
if ! "$folder/bin/python" -c 'import pip' >/dev/null 2>&1 || [ "$("$folder/bin/python" --version)" != "$("$python" --version)" ]; then
    rm -rf "$folder"
    "$python" -m venv "$folder" >/dev/null 2>&1 || { install_packages python3-venv && "$python" -m venv "$folder"; }
fi
rm -f "$folder/.made-from"
pip() { "$folder/bin/python" -m pip --disable-pip-version-check --no-input "$@"; }
# Whoever sits at a terminal sees how far it is; a log does not want to.
quiet=--quiet
[ ! -t 1 ] || quiet=--progress-bar=on
pip install "$quiet" --require-hashes --only-binary=:all: --requirement "$requirements"
pip install --quiet --no-deps --no-build-isolation --editable .
echo "$wanted" >"$folder/.made-from"
