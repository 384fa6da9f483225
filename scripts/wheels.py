"""requirements/runtime.txt -> proof that each requirement has a wheel for a Python that this machine lacks.

Asks the registry once for each Python and processor, and remembers the answer in `build/wheels/` under the digest of the file.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "requirements" / "runtime.txt"
PYTHON = "3.14"
PROCESSORS = ("x86_64", "aarch64")
MANYLINUX = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_26", "manylinux_2_24", "manylinux_2_17", "manylinux2014")


def question(processor: str) -> list[str]:
    """The command that resolves all requirements to wheels for that processor and installs nothing."""
    platforms = [f"--platform={name}_{processor}" for name in MANYLINUX]
    return [
        *(sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--no-input", "--disable-pip-version-check"),
        *("--only-binary=:all:", "--no-deps", "--ignore-installed", "--target", str(ROOT / "build" / "wheels" / "none")),
        *(f"--python-version={PYTHON}", "--implementation=cp", *platforms, "--requirement", str(REQUIREMENTS)),
    ]


def missing(processor: str) -> str:
    """What the registry lacks for that processor, in pip's words; empty when it lacks nothing."""
    digest = hashlib.sha256(" ".join([PYTHON, processor, *MANYLINUX]).encode() + REQUIREMENTS.read_bytes()).hexdigest()
    proof = ROOT / "build" / "wheels" / digest
    if proof.exists():
        return ""
    answer = subprocess.run(question(processor), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if answer.returncode:
        return answer.stderr.strip() or f"pip ended with {answer.returncode}"
    proof.parent.mkdir(parents=True, exist_ok=True)
    proof.touch()
    return ""


def main() -> int:
    """Print what is missing; 1 when something is."""
    failures = {processor: words for processor in PROCESSORS if (words := missing(processor))}
    for processor, words in failures.items():
        print(f"error: a requirement has no wheel for Python {PYTHON} on {processor}\n{words}\n", file=sys.stderr)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
