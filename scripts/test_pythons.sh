#!/usr/bin/env bash
# Runs the unit tests, and the contracts that need no engine or cluster, on every supported Python here but the one of .venv, each in an environment of its own.
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
# What real engines, clusters and judges say of us does not depend on the Python that asks them.
elsewhere=(tests/contract/test_*saboteurs.py tests/contract/test_kubernetes.py tests/contract/test_compose*.py)

for version in 3.11 3.12 3.13 3.14; do
    [ "$version" != "$ours" ] || continue
    python=$(find_python "$version")
    if [ -z "$python" ]; then
        echo "Python $version: not on this machine"
        continue
    fi
    echo "Python $version:"
    scripts/setup.sh ".venv-$version" "$python"
    ".venv-$version/bin/python" -m pytest -p no:cacheprovider --quiet --numprocesses=2 "${elsewhere[@]/#/--ignore=}" tests/unit tests/contract
done
