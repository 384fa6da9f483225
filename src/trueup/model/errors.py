"""What can go wrong, drawn as one tree and named after who can mend it.

::

    TrueupError
    ├── UsageError            the person at the command line: wrong words
    ├── DeclarationError      the author: a file in Git says something that cannot be done
    │   └── Awaited           it names something outside of Git that cannot be had now; tried again at every look
    ├── SettingsError         the operator: credentials, limits, folders, what a target may name
    │   └── Unwritable        the state folder has no room; goes on when there is some
    ├── Held                  a person has to decide: something waits with its reason
    │   └── Rewound           the followed branch no longer contains the commit that was accepted last
    ├── Several               more than one of these, of several applications; what they did not stand in the way of was done
    └── RuntimeFault          the place where applications run
        ├── Unreachable       it does not answer; tried again for ever
        ├── Refused           it answered no; tried again up to ``policy.retry.limit``
        └── Outdated          the world moved since the plan was made; the walk plans again

An error says *what* (its text, whose words stay constant), *where* (a file and line, or a place) and *what next* (the hint).
No secret ever enters one: values are masked where they are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong in a file. ``line`` and ``column`` count from 1; 0 means that they are not known."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    @property
    def place(self) -> str:
        """``file:line``, or the file alone."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class TrueupError(Exception):
    """The root: everything that Trueup raises on purpose.

    ``where`` names the place for people (``shop/web.yaml:14``, a URL, a target); ``hint`` says what to do next, without a full stop.
    ``retry`` and ``exit_code`` are facts of the class.
    """

    retry: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class UsageError(TrueupError):
    """The command line, or a request, asks for something that does not exist."""

    exit_code = 64


class DeclarationError(TrueupError):
    """Files in Git are wrong. All faults of all files that were read are told together."""

    def __init__(self, faults: "list[Fault] | tuple[Fault, ...]") -> None:
        self.faults: tuple[Fault, ...] = tuple(sorted(faults))
        first = self.faults[0]
        others = len(self.faults) - 1
        more = f" (and {others} more {'fault' if others == 1 else 'faults'})" if others else ""
        super().__init__(first.message + more, where=first.place, hint=first.hint)


class Awaited(DeclarationError):
    """Files in Git name something outside of it that cannot be had: not there yet, not allowed, or its place does not answer."""

    retry = True


class SettingsError(TrueupError):
    """What the operator set does not fit: credentials, limits, folders, or what a target may name."""


class Unwritable(SettingsError):
    """The state folder cannot be written: its disk is full. What was written before is whole, and work goes on when there is room."""

    retry = True


class Held(TrueupError):
    """Something waits for a person. ``kind`` is the hold's kind, as in the table of holds."""

    exit_code = 3

    def __init__(self, message: str, *, kind: str, where: str = "", hint: str = "") -> None:
        super().__init__(message, where=where, hint=hint)
        self.kind = kind


class Rewound(Held):
    """The followed branch was rewritten: it no longer contains the commit that was accepted last."""

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message, kind="rewound", where=where, hint=hint)


class Several(TrueupError):
    """More than one error, each in the way of something else. It is told as what it holds."""

    def __init__(self, errors: Sequence[TrueupError]) -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        super().__init__(f"{first.message} (and {len(self.errors) - 1} more)", where=first.where, hint=first.hint)


class RuntimeFault(TrueupError):
    """The place where applications run, or the place where a repository lives, did not do what was asked."""


class Unreachable(RuntimeFault):
    """It does not answer. Tried again for ever, at most every ``policy.retry.to``."""

    retry = True


class Refused(RuntimeFault):
    """It answered no. ``key`` names the object, when one object was refused."""

    def __init__(self, message: str, *, key: str = "", where: str = "", hint: str = "") -> None:
        super().__init__(message, where=where, hint=hint)
        self.key = key


class Outdated(RuntimeFault):
    """The world moved since the plan was made: what was approved is not what would run."""

    retry = True

    def __init__(self, message: str, *, key: str = "", where: str = "", hint: str = "") -> None:
        super().__init__(message, where=where, hint=hint)
        self.key = key
