"""The host runtime keeps the promises of a runtime."""

from tests.contract.host_ground import DirectoryGround, HostGround, SharedPathsGround
from trueup.testing import RuntimeContract


class TestHost(RuntimeContract):
    """With services and files in an application's own folder."""

    ground = HostGround


class TestSharedPaths(RuntimeContract):
    """With files that two applications can name."""

    ground = SharedPathsGround


class TestDirectory(RuntimeContract):
    """With a folder of the repository, exchanged as a whole."""

    ground = DirectoryGround
