"""Why something at the other end of a connection could not be reached, in the words of the operating system."""

import os
import socket
import ssl


def words_of(error: BaseException) -> str:
    """``Connection refused``, where a library says ``Cannot connect to host 10.0.0.1:443 ssl:default [Connect call failed (..)]``."""
    cause = getattr(error, "os_error", error)
    if isinstance(cause, ssl.SSLError | socket.gaierror):
        # These count their errors by themselves.
        return cause.strerror or str(cause)
    number = cause.errno if isinstance(cause, OSError) else None
    return os.strerror(number) if number else str(error) or type(error).__name__
