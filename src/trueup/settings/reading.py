"""A TOML file, ``TRUEUP_*`` and the command line -> one ``Settings``; the later wins over the earlier."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from trueup.model.errors import SettingsError
from trueup.settings.nouns import Settings, default_state
from trueup.settings.places import Places, fault_of, table_of
from trueup.toolkit.wording import worded

PREFIX: Final = "TRUEUP_"
OPTIONS: Final = frozenset({"TRUEUP_CONFIG", "TRUEUP_REPO", "TRUEUP_BRANCH", "TRUEUP_PATH", "TRUEUP_POLL", "TRUEUP_SERVER"})
"""What the command line reads by itself."""

TABLES: Final = frozenset({"repositories", "sources", "targets", "secrets"})
"""What a variable writes as a value of TOML."""

_TOML_PLACE: Final = re.compile(r" \(at line (\d+), column \d+\)$")


def load(file: Path | None, environment: Mapping[str, str], said: Mapping[str, Any]) -> Settings:
    """Settings from a TOML file, the environment, and what the command line said (``{"state": "/var/lib/trueup"}``), in rising order.

    Raises SettingsError with every fault.
    """
    text = _text(file) if file else ""
    written = _parsed(text, file)
    from_environment = _environment(environment, written)
    merged: dict[str, Any] = {"state": str(default_state(environment))}
    for layer in (written, *from_environment.values(), said):
        merged = _merged(merged, layer)
    folder = file.absolute().parent if file else Path.cwd()
    merged["state"] = str((Path.cwd() if "state" in said else folder) / Path(str(merged["state"])).expanduser())
    try:
        return Settings.model_validate(merged, context={"folder": folder})
    except ValidationError as error:
        places = Places(text, str(file or ""), from_environment)
        raise fault_of([places.told(*each) for each in worded(error.errors(include_url=False, include_input=False))]) from None


def _paths(model: type[BaseModel]) -> Iterable[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        table = table_of(field.annotation)
        yield from ((name, *below) for below in _paths(table)) if table else [(name,)]


def _variable(path: tuple[str, ...]) -> str:
    return PREFIX + "_".join(path).upper()


def _environment(environment: Mapping[str, str], written: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Variable -> what it sets, nested as in the file."""
    known = {_variable(path): path for path in _paths(Settings)}
    _refuse_mistyped(environment, known, repr(written))
    layers: dict[str, dict[str, Any]] = {}
    for variable, path in known.items():
        if variable in environment:
            text = environment[variable]
            value: Any = _value(variable, text) if path[0] in TABLES else text
            for name in reversed(path):
                value = {name: value}
            layers[variable] = value
    return layers


def _refuse_mistyped(environment: Mapping[str, str], known: Mapping[str, object], written: str) -> None:
    # People name variables of their own TRUEUP_SOMETHING too (the token that `token_env` names): only what reads like a slip is refused.
    for variable in environment:
        if not variable.startswith(PREFIX) or variable in known or variable in OPTIONS or variable in written:
            continue
        if close := difflib.get_close_matches(variable, [*known, *OPTIONS], 1, 0.9):
            raise SettingsError(f"nothing is set by `{variable}`", where=f"environment {variable}", hint=f"did you mean `{close[0]}`?")


def _value(variable: str, text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        hint = f"write it as a value of TOML, such as {PREFIX}SECRETS='{{db = {{env = \"DB_PASSWORD\"}}}}'"
        raise SettingsError("this is no value of TOML", where=f"environment {variable}", hint=hint) from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        told = f"the settings cannot be read: {error.strerror}"
        raise SettingsError(told, where=str(file), hint="name another file with --config or TRUEUP_CONFIG") from error
    except UnicodeDecodeError as error:
        raise SettingsError("the settings are not UTF-8", where=str(file), hint="save the file as UTF-8") from error


def _parsed(text: str, file: Path | None) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _TOML_PLACE.search(message)
        where = f"{file}:{place[1]}" if place else str(file)
        told = f"this is no TOML: {_TOML_PLACE.sub('', message)}"
        raise SettingsError(told, where=where, hint="strings stand in quotes, tables begin with [name]") from error


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for name, value in above.items():
        old = result.get(name)
        result[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result
