"""The newest Docker engine, 29, which Debian does not have yet: built from its Go modules, with the programs that it starts."""

from pathlib import Path

from tests.testbed.golang import built

MODULE = Path(__file__).parent
VERSION = "29.9.0"
PLAIN = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -tags=no_btrfs,no_devmapper,no_zfs"}
PROGRAMS = {
    "dockerd": "github.com/moby/moby/v2/cmd/dockerd",
    "docker-proxy": "github.com/moby/moby/v2/cmd/docker-proxy",
    "containerd": "github.com/containerd/containerd/v2/cmd/containerd",
    "containerd-shim-runc-v2": "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
}


def newest() -> str:
    """The folders of the programs, as in PATH.

    Raises Missing when they cannot be built.
    """
    flags = f"-X github.com/moby/moby/v2/dockerversion.Version={VERSION}"
    programs = [built(MODULE, package, name, flags, **PLAIN) for name, package in PROGRAMS.items()]
    # Its first steps in a container are written in C.
    programs.append(built(MODULE, "github.com/opencontainers/runc", "runc", CGO_ENABLED="1", GOFLAGS="-buildvcs=false"))
    return ":".join(str(program.parent) for program in programs)
