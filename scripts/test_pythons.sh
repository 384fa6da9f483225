#!/usr/bin/env bash
# Runs the unit and contract tests on every supported Python of this machine but the one of .venv, each in an environment of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

# On PATH, or made by pyenv: its shims stand on PATH but answer only for the version that is switched on.
find_python() {
    local candidate
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        if "$candidate" -c '' >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
}

ours=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
folders=()
for folder in tests/unit tests/contract; do
    [ -d "$folder" ] && folders+=("$folder")
done

for version in 3.11 3.12 3.13 3.14; do
    [ "$version" != "$ours" ] || continue
    python=$(find_python "$version")
    if [ -z "$python" ]; then
        echo "Python $version: not on this machine"
        continue
    fi
    echo "Python $version:"
    scripts/setup.sh ".venv-$version" "$python"
    ".venv-$version/bin/python" -m pytest -p no:cacheprovider --quiet --numprocesses=2 "${folders[@]}"
done
