"""The time of day as nobody sets it."""

import time


class SteadyClock:
    """Seconds since the epoch when it was made, and what has passed since.

    It neither jumps when somebody sets the machine's clock, nor moves on while the machine sleeps: a laptop that was closed for an hour
    has taken no time away from what was to be ready in five minutes.
    """

    def __init__(self) -> None:
        self._ahead = time.time() - time.monotonic()

    def __call__(self) -> float:
        """Now."""
        return self._ahead + time.monotonic()
