"""A rule for the health of a custom kind, as a Target declares it."""

from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from trueup.model.application import Declared
from trueup.model.health import State
from trueup.toolkit.expression import fault_of

LONGEST_SCRIPT: Final = 64 * 1024

ORDER: Final = (State.SUSPENDED, State.PROGRESSING, State.DEGRADED, State.HEALTHY)
"""The first whose expression is true counts."""


def _expression(text: str) -> str:
    if fault := fault_of(text):
        raise ValueError(f"is no CEL expression: {fault}")
    return text


def _verdict(value: object) -> object:
    return {"when": value} if isinstance(value, str) else value


Expression = Annotated[str, AfterValidator(_expression), Field(examples=["status.phase == 'Ready'"])]


class When(Declared):
    """An expression and what is told when it is true."""

    when: Expression
    """A CEL expression over the object."""
    message: str = ""
    """What is told, as it stands."""
    message_expression: Expression | None = None
    """A CEL expression that gives what is told."""


Verdict = Annotated[When | None, BeforeValidator(_verdict, json_schema_input_type=str | When | None)]


class HealthRule(Declared):
    """How the objects of a kind (``Kind.group``; ``*`` stands for anything) are judged.

    Either CEL expressions over the object: its fields by name (``metadata``, ``spec``, ``status``), the whole as ``self``, and ``now``.
    The first that is true counts: ``suspended``, ``progressing``, ``degraded``, ``healthy``. When none is, the object is progressing if
    the rule says what ``healthy`` is, and healthy if it only says what is not. Or ``lua``: a health script of Argo CD, as it is.
    """

    kind: str = Field(pattern=r"^[A-Za-z*?][A-Za-z0-9*?]*(\.[a-z0-9*?.-]+)?$", examples=["Widget.example.com"])
    """``Kind.group``, or ``Kind`` of the core group; ``*`` stands for anything."""
    healthy: Verdict = None
    """True when the object is well: a CEL expression, or ``when`` with a message. Asked last."""
    progressing: Verdict = None
    """True while it is on its way. Asked second."""
    degraded: Verdict = None
    """True when it is broken. Asked third."""
    suspended: Verdict = None
    """True when it was told to stand still. Asked first."""
    lua: str = Field("", max_length=LONGEST_SCRIPT)
    """Instead of expressions: a health script of Argo CD, as it is."""

    @model_validator(mode="after")
    def _says_something(self) -> "HealthRule":
        if bool(self.lua) == bool(self.verdicts):
            raise ValueError("say `lua`, or at least one of `healthy`, `progressing`, `degraded`, `suspended`; not both")
        return self

    @property
    def verdicts(self) -> list[tuple[State, When]]:
        """The expressions, in the order in which they count."""
        said = ((state, getattr(self, state.value)) for state in ORDER)
        return [(state, when) for state, when in said if when is not None]
