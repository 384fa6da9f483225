"""Who listens on a port."""

import os
import socket
import subprocess
import sys

import pytest

from trueup.runtimes.host.keeper.listening import held_by_others, holder, listeners
from trueup.runtimes.host.keeper.process import Process, process


def myself() -> Process:
    found = process(os.getpid())
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("bound", "asked", "family"),
    [
        ("127.0.0.1", "127.0.0.1", socket.AF_INET),
        ("0.0.0.0", "127.0.0.1", socket.AF_INET),
        ("::1", "::1", socket.AF_INET6),
        ("::", "::1", socket.AF_INET6),
        ("::", "127.0.0.1", socket.AF_INET6),
    ],
)
def test_a_listener_is_found_by_the_address_that_reaches_it(bound: str, asked: str, family: socket.AddressFamily) -> None:
    with socket.socket(family) as listener:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((bound, 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert holder(listeners(asked, port), [myself()]) is not None
        assert held_by_others(asked, port, [myself()]) == ""
        assert held_by_others(asked, port, []).startswith(f"port {port} is held by PID {os.getpid()} (")


def test_the_very_address_comes_before_all_addresses() -> None:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.2", 0))
        one.listen()
        port = one.getsockname()[1]
        assert listeners("127.0.0.1", port) == set()
        other.bind(("127.0.0.1", port))
        other.listen()
        assert len(listeners("127.0.0.1", port)) == 1
        assert listeners("127.0.0.1", port) != listeners("127.0.0.2", port)


def test_a_connection_is_no_listener() -> None:
    with socket.socket() as listener, socket.socket() as caller:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        caller.connect(listener.getsockname())
        assert listeners("127.0.0.1", caller.getsockname()[1]) == set()


def test_a_process_is_another_one_when_its_number_was_used_again() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        found = process(child.pid)
        assert found is not None
        assert (found.parent, found.over) == (os.getpid(), False)
        child.communicate(b"\n")
    assert process(child.pid) is None
