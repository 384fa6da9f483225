"""An order on standard input becomes a keeper that is nobody's child."""

import ctypes
import json
import os
import signal
import socket
import sys
from typing import Any

from trueup.runtimes.host.keeper.log import Log
from trueup.runtimes.host.keeper.probe import Command, Http, LogLine, Probe, Steady, Tcp
from trueup.runtimes.host.keeper.process import boot_id, process, send
from trueup.runtimes.host.keeper.program import Keeper, Order
from trueup.runtimes.host.keeper.state import State

_SET_CHILD_SUBREAPER = 36
READY = b"ready"


def main(folder: str) -> None:
    """Read the order, become a process of its own, write the first state, and only then let the caller go on."""
    plain = json.loads(sys.stdin.buffer.read())
    reading, writing = os.pipe2(os.O_CLOEXEC)
    if os.fork():
        os.close(writing)
        answer = os.read(reading, 4096)
        if answer != READY:
            os.write(2, answer or b"the keeper ended at once")
        os._exit(0 if answer == READY else 1)
    os.close(reading)
    os.setsid()
    _let_go(folder)
    try:
        keeper = _keeper(folder, plain)
        keeper.state.save(durable=True)
    except OSError as error:
        os.write(writing, (error.strerror or str(error)).encode())
        os._exit(1)
    try:
        keeper.run(lambda: _tell(writing))
    finally:
        _leave_nothing(keeper)


def _tell(writing: int) -> None:
    os.write(writing, READY)
    os.close(writing)


def _let_go(folder: str) -> None:
    """Hold no terminal, no pipe and no folder of whoever started us; take in what our service leaves behind."""
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    trouble = os.open(f"{folder}/trouble", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor in (0, 1):
        os.dup2(nothing, descriptor)
    os.dup2(trouble, 2)
    os.close(nothing)
    os.close(trouble)
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _keeper(folder: str, plain: dict[str, Any]) -> Keeper:
    state = State(folder, plain["token"], plain["version"], plain["uses"])
    state.spec = plain["spec"]
    state.boot = boot_id()
    state.keeper = process(os.getpid())
    state.predecessors = plain["predecessors"]
    state.patience = plain["stop"]["timeout"]
    state.port = _free_port() if plain["port"] else 0
    order = Order(plain, folder, state.port)
    log = Log(f"{folder}/log", plain["log"]["size"], plain["log"]["keep"], plain["masks"])
    return Keeper(order, state, log, _probe(plain["readiness"], order, state.port))


def _probe(plain: dict[str, Any], order: Order, port: int) -> Probe:
    if plain["kind"] == "http":
        return Http(plain["host"], plain["port"] or port, plain["path"])
    if plain["kind"] == "tcp":
        return Tcp(plain["host"], plain["port"] or port)
    if plain["kind"] == "command":
        return Command(plain["command"], order.surroundings)
    if plain["kind"] == "logLine":
        return LogLine(plain["pattern"])
    return Steady()


def _free_port() -> int:
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        port: int = finder.getsockname()[1]
        return port


def _leave_nothing(keeper: Keeper) -> None:
    """A keeper that ends, for whatever reason, leaves no service without one."""
    for each in keeper.own():
        send(each, signal.SIGKILL)
