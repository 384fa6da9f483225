"""Waits for orders, and has a child of its own become each command.

An order comes as descriptors: the order itself (a file in memory), the pipes for what the command says, a socket for how it ends, and
the file that takes a process into a control group, if there is one. What is told at the socket are messages of one letter and a text:
``L`` that the order was read, ``E`` why the command could not be let in, ``S`` its exit code. When the other end of it is closed or says
anything, the command is killed, and with it all that it started.

Only the child reads the order: nothing of one command is ever here when the next one comes.
"""

import array
import gc
import marshal
import os
import select
import signal
import socket
from contextlib import suppress
from typing import Any, Final

from trueup.toolkit.porter import system, world

LEAST: Final = 4
MOST: Final = 5
NAMESPACES: Final = system.NEW_USER | system.NEW_MOUNTS | system.NEW_NETWORK | system.NEW_IPC | system.NEW_PROCESSES
UNCONFINED: Final = 125


def main(orders: int, ruleset: int) -> None:
    """Until nobody can give orders any more. ``ruleset``: of Landlock, negative where there is none."""
    for descriptor in (orders, ruleset):
        if descriptor >= 0:
            os.set_inheritable(descriptor, False)
    gc.disable()
    gc.freeze()
    Porter(socket.socket(fileno=orders), ruleset).serve()


class Porter:
    """One loop that waits for orders, for clients that have enough, and for commands that end."""

    def __init__(self, orders: socket.socket, ruleset: int) -> None:
        self.orders = orders
        self.ruleset = ruleset
        self.clients: dict[int, socket.socket] = {}
        self.poller = select.poll()
        self.poller.register(orders, select.POLLIN)
        self.ended, ending = os.pipe()
        os.set_blocking(ending, False)
        os.set_blocking(self.ended, False)
        signal.set_wakeup_fd(ending, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.poller.register(self.ended, select.POLLIN)

    def serve(self) -> None:
        """Until nobody can give orders any more; then all commands are killed by the kernel, for this process has ended."""
        while True:
            ready = {descriptor for descriptor, _ in self.poller.poll()}
            if self.ended in ready:
                self._reap()
            for command, client in list(self.clients.items()):
                if client.fileno() in ready:
                    # It has not been waited for, so its number is no other's.
                    os.kill(command, signal.SIGKILL)
                    self.poller.unregister(client)
            if self.orders.fileno() in ready and not self._take():
                return

    def _take(self) -> bool:
        received = self._received()
        if len(received) < LEAST:
            return False
        client = socket.socket(fileno=received.pop(3))
        try:
            command = system.fork(NAMESPACES)
        except OSError as error:
            _fail(client, error)
            client.close()
        else:
            if command == 0:
                self._become(received, client)
            self.clients[command] = client
            self.poller.register(client, select.POLLIN)
        for descriptor in received:
            os.close(descriptor)
        return True

    def _received(self) -> list[int]:
        room = socket.CMSG_SPACE(MOST * array.array("i").itemsize)
        _, ancillary, _, _ = self.orders.recvmsg(1, room, socket.MSG_CMSG_CLOEXEC)
        found = array.array("i")
        for _, _, content in ancillary:
            found.frombytes(content)
        return list(found)

    def _become(self, received: list[int], client: socket.socket) -> None:
        try:
            system.die_with_parent()
            if self.ruleset >= 0:
                system.restrict(self.ruleset)
            for group in received[3:]:
                # Everything from here on counts as the command's.
                os.write(group, b"0")
            order: dict[str, Any] = marshal.loads(os.pread(received[0], os.fstat(received[0]).st_size, 0))
            client.send(b"L")
            world.enter(order, (received[1], received[2]))
        except Exception as error:  # noqa: BLE001 - whatever it is, what did not become the command must not look like it
            _fail(client, error)
        finally:
            os._exit(UNCONFINED)

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self.ended, 512):
                pass
        with suppress(ChildProcessError):
            while True:
                command, status = os.waitpid(-1, os.WNOHANG)
                if not command:
                    return
                with self.clients.pop(command) as client, suppress(OSError):
                    with suppress(KeyError):
                        self.poller.unregister(client)
                    client.send(b"S%d" % os.waitstatus_to_exitcode(status))


def _fail(client: socket.socket, error: Exception) -> None:
    with suppress(OSError):
        client.send(b"E" + str(error).encode())
