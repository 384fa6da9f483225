"""What went wrong with one object, in words; and the faults of many put together."""

import errno
from collections.abc import Sequence

from trueup.model.errors import Refused, TrueupError

Fault = TrueupError | OSError


def words_of(error: Fault) -> str:
    """The message, with what to do next."""
    if isinstance(error, TrueupError):
        return f"{error.message} ({error.hint})" if error.hint else error.message
    words = (error.strerror or str(error)) + (f": {error.filename}" if error.filename else "")
    return f"{words} (free some space; the next walk finishes)" if error.errno in (errno.ENOSPC, errno.EDQUOT) else words


def together(faults: Sequence[tuple[str, Fault]]) -> TrueupError:
    """One error for the faults of several objects, each with its key."""
    key, first = faults[0]
    if len(faults) == 1 and isinstance(first, TrueupError):
        return first
    text = "; ".join(f"{name}: {each.message if isinstance(each, TrueupError) else words_of(each)}" for name, each in faults)
    return Refused(text, key=key, hint=first.hint if isinstance(first, TrueupError) else "")
