"""The rules of custom kinds: those that a Target declares, the operator's Lua scripts, and those that ship with Trueup."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, cast

from trueup.model.errors import SettingsError
from trueup.model.health import Health, State
from trueup.runtimes.kubernetes.health.rule import LONGEST_SCRIPT, HealthRule
from trueup.runtimes.kubernetes.health.seen import Seen, line, text_of
from trueup.toolkit.documents import read
from trueup.toolkit.expression import Confined, Finding, findings

_WORDS: Final = {state.value: state for state in State}
_SCRIPT: Final = "health.lua"

Evaluate = Callable[[Sequence[str], Mapping[str, Any]], list[Finding]]


class Rules:
    """What judges custom kinds. What Trueup brings along is evaluated here, what others wrote in a process of its own (``Confined``)."""

    def __init__(
        self, declared: Iterable[HealthRule] = (), scripts: Mapping[str, str] | None = None, confined: Confined | None = None
    ) -> None:
        """``scripts``: ``Kind.group`` (``*`` stands for anything) -> Lua; a declared rule goes before them. ``confined`` may be shared."""
        theirs = [*declared, *(HealthRule(kind=kind, lua=source) for kind, source in (scripts or {}).items())]
        self._declared = Book(theirs)
        self._confined = confined or Confined()

    def declared(self, seen: Seen) -> Health | None:
        """What a declared rule or a script says; None when there is none, or it says nothing."""
        rule = self._declared.of(seen.kind)
        if rule is None:
            return None
        if not rule.lua:
            return _judged(rule, seen, lambda texts, given: self._confined.cel(texts, given, seen.now))
        return _told(rule, self._confined.lua(rule.lua, seen.body, seen.now))

    def shipped(self, seen: Seen) -> Health | None:
        """What Trueup's own rule says; None when there is none."""
        rule = shipped_rules().of(seen.kind) if "." in seen.kind else None
        return _judged(rule, seen, lambda texts, given: findings(texts, given, seen.now)) if rule else None

    def close(self) -> None:
        """End the process that evaluates."""
        self._confined.close()


class Book:
    """Rules by kind: an exact name goes before a glob, a long glob before a short one, and what stands first before what follows."""

    def __init__(self, rules: Sequence[HealthRule]) -> None:
        self._rules = rules
        self._named = {rule.kind: rule for rule in reversed(rules)}
        self._globs = sorted((rule for rule in rules if set(rule.kind) & {"*", "?"}), key=lambda rule: -len(rule.kind))

    def of(self, kind: str) -> HealthRule | None:
        """The rule for a kind."""
        named = self._named.get(kind)
        return named or next((rule for rule in self._globs if fnmatchcase(kind, rule.kind)), None)

    def __iter__(self) -> Iterator[HealthRule]:
        return iter(self._rules)


BUILT_IN: Final = Rules()
"""Nothing but what ships with Trueup; never starts a process."""


def scripts_in(folder: Path) -> dict[str, str]:
    """The health scripts in a folder laid out as Argo CD's ``resource_customizations``: ``GROUP/KIND/health.lua``, where ``_`` stands for
    anything, and ``KIND/health.lua`` in the core group. Raises SettingsError."""
    try:
        found = sorted([*folder.glob(f"*/{_SCRIPT}"), *folder.glob(f"*/*/{_SCRIPT}")])
        scripts = {_kind_of(file.parent.relative_to(folder)): file.read_text(encoding="utf-8") for file in found}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the health scripts cannot be read: {error}", where=str(folder)) from error
    if not scripts:
        raise SettingsError("the folder holds no health scripts", where=str(folder), hint=f"lay them out as GROUP/KIND/{_SCRIPT}")
    for kind, source in scripts.items():
        if len(source) > LONGEST_SCRIPT:
            raise SettingsError(f"the health script of {kind} is larger than {LONGEST_SCRIPT} bytes", where=str(folder))
    return scripts


def _kind_of(place: Path) -> str:
    return ".".join(reversed(place.parts)).replace("_", "*")


@cache
def shipped_rules() -> Book:
    """The rules that ship with Trueup, read when they are first needed."""
    text = files(__package__).joinpath("shipped.yaml").read_bytes()
    [document] = read(text, "shipped.yaml")
    return Book([HealthRule.model_validate(rule) for rule in cast(list[object], document.body)])


def _judged(rule: HealthRule, seen: Seen, evaluate: Evaluate) -> Health:
    verdicts = rule.verdicts
    texts = [when.when for _, when in verdicts] + [when.message_expression or "''" for _, when in verdicts]
    found = evaluate(texts, {"metadata": {}, "spec": {}, "status": {}, **_variables(seen), "self": seen.body})
    for (state, when), truth, words in zip(verdicts, found, found[len(verdicts) :], strict=False):
        if truth.absent or truth.value is False:
            continue
        if truth.value is not True:
            fault = truth.fault or f"`{state.value}` gives neither true nor false"
            return Health(State.UNKNOWN, line(f"the health rule of {rule.kind} is broken: {fault}"))
        return Health(state, line(text_of(words.value) or when.message or _own_words(seen, state)))
    if rule.healthy is None:
        return Health(State.HEALTHY)
    return Health(State.PROGRESSING, _own_words(seen, State.PROGRESSING) or "it is not healthy yet")


def _variables(seen: Seen) -> dict[str, Any]:
    """The object's fields. One that is null counts as not there."""
    return {name: value for name, value in seen.body.items() if name.isidentifier() and value is not None}


def _own_words(seen: Seen, state: State) -> str:
    ready = seen.condition("Ready")
    return "" if state is State.HEALTHY or ready.true else ready.words


def _told(rule: HealthRule, finding: Finding) -> Health | None:
    if finding.fault:
        return Health(State.UNKNOWN, line(f"the health script of {rule.kind} is broken: {finding.fault}"))
    if finding.value is None:
        return None
    word, message = finding.value
    state = _WORDS.get(word.lower())
    if state is None:
        return Health(State.UNKNOWN, line(f"the health script of {rule.kind} says `{word}`, which is no health"))
    return Health(state, "" if state is State.HEALTHY else line(message))
