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
    """An expression and what is told when it is true: ``message`` as it stands, or the text that ``messageExpression`` gives."""

    when: Expression
    message: str = ""
    message_expression: Expression | None = None


Verdict = Annotated[When | None, BeforeValidator(_verdict, json_schema_input_type=str | When | None)]


class HealthRule(Declared):
    """How the objects of a kind (``Kind.group``; ``*`` stands for anything) are judged.

    Either CEL expressions over the object: its fields by name (``metadata``, ``spec``, ``status``), the whole as ``self``, and ``now``.
    The first that is true counts: ``suspended``, ``progressing``, ``degraded``, ``healthy``. When none is, the object is progressing if
    the rule says what ``healthy`` is, and healthy if it only says what is not. Or ``lua``: a health script of Argo CD, as it is.
    """

    kind: str = Field(pattern=r"^[A-Za-z*?][A-Za-z0-9*?]*(\.[a-z0-9*?.-]+)?$", examples=["Widget.example.com"])
    healthy: Verdict = None
    progressing: Verdict = None
    degraded: Verdict = None
    suspended: Verdict = None
    lua: str = Field("", max_length=LONGEST_SCRIPT)

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
