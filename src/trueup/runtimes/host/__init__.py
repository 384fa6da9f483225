"""The host runtime: files, folders, services and jobs on this machine, with nothing but Python.

``host`` is the kind that the entry point names. It is loaded when it is asked for: a keeper imports from below this package, one for each
service of the machine, and must not carry the schema and the plan model with it.
"""

from typing import Any

__all__ = ["host"]


def __getattr__(name: str) -> Any:
    if name != "host":
        raise AttributeError(name)
    from trueup.runtimes.host.kind import host

    return host
