#!/usr/bin/env bash
# Writes requirements/*.txt from pyproject.toml. `uv.lock` names a registry on every line and stays on this machine;
# what is committed are versions and hashes only. `scripts/lock.sh --upgrade` takes newer versions.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=.venv/bin/uv
export_requirements() { "$uv" export --quiet --frozen --no-emit-project --no-emit-index-url --no-header --no-annotate "$@"; }

"$uv" lock --quiet "$@"
export_requirements --no-default-groups --output-file requirements/runtime.txt
export_requirements --all-extras --output-file requirements/development.txt

if grep -nE '://|index-url|find-links' requirements/*.txt; then
    echo "error: a requirements file names an address" >&2
    exit 1
fi
