"""What a keeper knows of its service, as a file that others read and watch."""

import json

from trueup.runtimes.host.keeper.file import replace
from trueup.runtimes.host.keeper.process import Process

STATE = "state.json"
REQUEST = "request.json"

Plain = dict[str, object]


class State:
    """The fields of ``state.json``. Times are RFC 3339; ``failing`` says that waiting longer is no use to who waits."""

    def __init__(self, folder: str, token: str, version: str, uses: dict[str, str]) -> None:
        self.spec: Plain = {}
        self.path = f"{folder}/{STATE}"
        self.token = token
        self.version = version
        self.uses = uses
        self.boot = ""
        self.keeper: Process | None = None
        self.process: Process | None = None
        self.phase = "prepared"
        self.ready = False
        self.failing = False
        self.reason = ""
        self.restarts = 0
        self.last_exit: Plain | None = None
        self.result: Plain | None = None
        self.port = 0
        self.patience = 0.0
        self.predecessors: list[str] = []
        self.stopped = False

    def save(self, durable: bool) -> None:
        """Replace the file. Raises OSError."""
        replace(self.path, json.dumps(self._plain()).encode(), durable)

    def _plain(self) -> Plain:
        return {
            "token": self.token,
            "version": self.version,
            "uses": self.uses,
            "spec": self.spec,
            "boot": self.boot,
            "keeper": _identity(self.keeper),
            "process": _identity(self.process),
            "phase": self.phase,
            "ready": self.ready,
            "failing": self.failing,
            "reason": self.reason,
            "restarts": self.restarts,
            "lastExit": self.last_exit,
            "result": self.result,
            "port": self.port,
            "patience": self.patience,
            "predecessors": self.predecessors,
            "stopped": self.stopped,
        }


def _identity(process: Process | None) -> Plain | None:
    return {"pid": process.pid, "start": process.start} if process else None
