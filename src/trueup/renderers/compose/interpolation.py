"""``${NAME:-default}`` and its kin in the text of a Compose file -> the text with the variables' values.

Values come from what the application declares and nowhere else: never from the environment of this process.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from trueup.renderers.compose.located import Faults, Place, Row, Table
from trueup.renderers.compose.rules import Rules

Lookup = Callable[[str], str | None]

LONGEST: Final = 1024 * 1024
"""Characters of a value with variables in it."""
_MOST: Final = 16 * LONGEST
"""Characters of all values with variables of a project."""

_NAME: Final = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_OPERATOR: Final = re.compile(r":?[-+?]")
_ESCAPE_HINT: Final = "write `${NAME}`, or `$$` for a dollar sign"


class Unsubstituted(Exception):
    """A text cannot be completed. ``hint`` says what to do; no value of a variable is in either."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Unset(Unsubstituted):
    """A variable has no value and no default."""


def substitute(template: str, lookup: Lookup) -> str:
    """The text with its variables replaced. Raises Unsubstituted."""
    if "$" not in template:
        return template
    try:
        text = _substituted(template, lookup)
    except RecursionError:
        raise Unsubstituted("the variables are nested too deeply", "write the value out") from None
    if len(text) > LONGEST:
        # Variables that name each other twice grow without end.
        raise Unsubstituted("the value is too long", f"a value with variables has at most {LONGEST} characters")
    return text


def _substituted(template: str, lookup: Lookup) -> str:
    done: list[str] = []
    at = 0
    while (dollar := template.find("$", at)) >= 0:
        done.append(template[at:dollar])
        text, at = _replaced(template, dollar, lookup)
        done.append(text)
    done.append(template[at:])
    return "".join(done)


def _replaced(template: str, dollar: int, lookup: Lookup) -> tuple[str, int]:
    """What stands for the variable at a dollar sign, and where the text goes on. A lone dollar sign stays."""
    after = template[dollar + 1 : dollar + 2]
    if after == "$":
        return "$", dollar + 2
    if after == "{":
        return _braced(template, dollar, lookup)
    name = _NAME.match(template, dollar + 1)
    return (_value(name[0], lookup), name.end()) if name else ("$", dollar + 1)


def _braced(template: str, dollar: int, lookup: Lookup) -> tuple[str, int]:
    name = _NAME.match(template, dollar + 2)
    if not name:
        raise Unsubstituted("`${` is not followed by a variable's name", _ESCAPE_HINT)
    if template[name.end() : name.end() + 1] == "}":
        return _value(name[0], lookup), name.end() + 1
    operator = _OPERATOR.match(template, name.end())
    line_end = template.find("\n", name.end())
    last = template.rfind("}", name.end(), line_end if line_end >= 0 else len(template))
    if not operator or last < operator.end():
        raise Unsubstituted(f"`${{{name[0]}` is not closed, or followed by an unknown operator", _ESCAPE_HINT)
    whole = template[dollar : last + 1]
    close = _closing(whole)
    argument = whole[operator.end() - dollar : close]
    return _applied(name[0], operator[0], argument, lookup) + substitute(whole[close + 1 :], lookup), last + 1


def _closing(text: str) -> int:
    """Where the first brace of a text is closed again; its end when it is not. What follows a brace at once never closes it."""
    depth = at = 0
    while at < len(text):
        if text[at] == "}":
            depth -= 1
            if not depth:
                return at
        elif text[at] == "{":
            depth += 1
            at += 1
        at += 1
    return len(text) - 1


def _applied(name: str, operator: str, argument: str, lookup: Lookup) -> str:
    value = lookup(name)
    counts = bool(value) if operator[0] == ":" else value is not None
    argument = substitute(argument, lookup)
    if operator[-1] == "+":
        return argument if counts else value or ""
    if counts:
        return value or ""
    if operator[-1] == "-":
        return argument
    reason = f": {argument}" if argument else ""
    raise Unsubstituted(f"the variable {name} is required{reason}", f"set {name} in `render.variables` or in `.env`")


def _value(name: str, lookup: Lookup) -> str:
    value = lookup(name)
    if value is None:
        hint = f"set it in `render.variables` or in `.env`, or write `${{{name}:-}}` when it may be empty, `$$` for a dollar sign"
        raise Unset(f"the variable {name} is not set", hint)
    return value


def _boolean(text: str) -> bool:
    word = text.lower()
    if word in ("true", "y", "yes", "on"):
        return True
    if word in ("false", "n", "no", "off"):
        return False
    raise ValueError("write true or false")


def _integer(text: str) -> int:
    if not re.fullmatch(r"[-+]?[0-9]+", text):
        raise ValueError("write a whole number")
    return int(text)


def _decimal(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("write a number") from None


_SERVICE_CASTS: Final[Mapping[str, Callable[[str], object]]] = {
    **dict.fromkeys(("cpu_count", "cpu_period", "cpu_quota", "cpu_rt_period", "cpu_rt_runtime", "cpu_shares"), _integer),
    **dict.fromkeys(("oom_score_adj", "pids_limit", "scale", "ulimits.*", "ulimits.*.hard", "ulimits.*.soft"), _integer),
    **dict.fromkeys(("deploy.replicas", "deploy.update_config.parallelism", "deploy.rollback_config.parallelism"), _integer),
    **dict.fromkeys(("deploy.restart_policy.max_attempts", "deploy.placement.max_replicas_per_node"), _integer),
    **dict.fromkeys(("healthcheck.retries", "ports.*.target"), _integer),
    **dict.fromkeys(("cpu_percent", "cpus", "deploy.update_config.max_failure_ratio"), _decimal),
    "deploy.rollback_config.max_failure_ratio": _decimal,
    **dict.fromkeys(("init", "oom_kill_disable", "privileged", "read_only", "stdin_open", "tty", "healthcheck.disable"), _boolean),
    **dict.fromkeys(("volumes.*.read_only", "volumes.*.volume.nocopy"), _boolean),
}
_CASTS: Final = Rules.of(
    {
        **{f"services.*.{path}": cast for path, cast in _SERVICE_CASTS.items()},
        **{f"networks.*.{name}": _boolean for name in ("external", "internal", "attachable", "enable_ipv4", "enable_ipv6")},
        **{f"{section}.*.external": _boolean for section in ("volumes", "secrets", "configs")},
    }
)


class Interpolation:
    """Completes documents. ``unset`` collects, beside the faults, what is wrong only if the service that it belongs to is wanted."""

    def __init__(self, lookup: Lookup, faults: Faults, unset: list[tuple[str, Place, Unset]]) -> None:
        self._lookup = lookup
        self._faults = faults
        self._unset = unset
        self._written = 0

    def complete(self, body: Table) -> None:
        """Replace the variables in every value, and make numbers and booleans of the text that stands for one."""
        for section in list(body):
            name = "" if section == "services" else section
            if section == "services" and isinstance(body[section], Table):
                for service in body[section]:
                    self._enter(body[section], service, _CASTS.at("services").below(service), service)
            else:
                self._enter(body, section, _CASTS.below(section), f"{name}:")

    def _enter(self, holder: Any, step: Any, rules: Rules[Any] | None, owner: str) -> None:
        value = holder[step]
        if isinstance(value, str):
            place = holder.place_of(step) if isinstance(holder, Table) else holder.places[step]
            holder[step] = self._completed(value, place, rules, owner)
        elif isinstance(value, Table):
            for key in value:
                self._enter(value, key, rules.below(key) if rules else None, owner)
        elif isinstance(value, Row):
            for number in range(len(value)):
                self._enter(value, number, rules.below("*") if rules else None, owner)

    def _completed(self, text: str, place: Place, rules: Rules[Any] | None, owner: str) -> object:
        try:
            value = substitute(text, self._lookup)
        except Unset as error:
            self._unset.append((owner, place, error))
            return ""
        except Unsubstituted as error:
            self._faults.add(place, error.message, error.hint)
            return ""
        self._written += len(value) if value is not text else 0
        if self._written > _MOST:
            self._faults.add(place, "the variables expand to too much", f"all values with variables have at most {_MOST} characters")
            self._written = 0
            return ""
        cast = rules.action if rules else None
        if cast is None:
            return value
        try:
            return cast(value)
        except ValueError as error:
            self._faults.add(place, "the value is of the wrong kind", str(error))
            return value
