"""What breaks in a plug-in -> a refusal of what was looked at, so that it is no matter of the others."""

from collections.abc import Iterator
from contextlib import contextmanager

from trueup.model.errors import Refused, TrueupError
from trueup.toolkit.telemetry import Telemetry


@contextmanager
def contained(telemetry: Telemetry, what: str) -> Iterator[None]:
    """Raises Refused instead of whatever a plug-in raises that is no TrueupError. The log says where it broke."""
    try:
        yield
    except TrueupError:
        raise
    except Exception as error:
        telemetry.broke(f"{what} broke", error)
        raise refusal_of(error) from error


def refusal_of(error: Exception) -> Refused:
    """A mistake in a plug-in, as an error that everybody knows. Its words may hold anything, and are left out."""
    return Refused(f"something unexpected happened: {type(error).__name__}", hint="report it to who makes the runtime, with the log")
