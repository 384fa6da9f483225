"""Plain data becomes YAML that every reader understands alike: kubectl and YAML 1.1, and YAML 1.2.

Block style, keys in their order, quotes only where one of the readers would read something else than the text.
"""

import json
import math
import re
from typing import Final

from yaml.resolver import Resolver

from trueup.toolkit.scalars import meaning

_PRINTABLE: Final = re.compile("[\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*")
_NUMBER_1_2: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NEEDS_QUOTES: Final = re.compile(r"""[\s\[\]{}#&*!|>'"%@`,=]|[-?:](\s|$)|---|\.\.\.|.*(:(\s|$)|\s\#|\s$|[\n\t])""", re.DOTALL)
_LITERAL: Final = re.compile(r"[^\s].*", re.DOTALL)
_LONGEST_KEY: Final = 1000
"""Characters; a longer key needs a question mark in front."""
_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def dump(value: object) -> str:
    """One document, ending in a newline. What is not plain data is written as its ``str()``: a secret stays masked.

    Raises ValueError for a number that is not finite.
    """
    return "\n".join(_block(value, 0)) + "\n"


def _block(value: object, indent: int) -> list[str]:
    """The lines of a value that starts on a line of its own."""
    if isinstance(value, dict) and value:
        return [line for key, item in value.items() for line in _entry(str(key), item, indent)]
    if isinstance(value, list | tuple) and value:
        return [line for item in value for line in _item(item, indent)]
    first, *more = _inline(value, indent)
    return [" " * indent + first, *more]


def _entry(key: str, value: object, indent: int) -> list[str]:
    head = " " * indent + _quoted_or_plain(key)
    if len(head) - indent > _LONGEST_KEY:
        head = " " * indent + "? " + head.lstrip() + "\n" + " " * indent
    if isinstance(value, dict) and value:
        return [f"{head}:", *_block(value, indent + 2)]
    if isinstance(value, list | tuple) and value:
        return [f"{head}:", *_block(value, indent)]
    first, *more = _inline(value, indent + 2)
    return [f"{head}: {first}", *more]


def _item(value: object, indent: int) -> list[str]:
    first, *more = _block(value, indent + 2)
    return [f"{' ' * indent}- {first[indent + 2 :]}", *more]


def _inline(value: object, indent: int) -> list[str]:
    """What follows a key or a dash on its line; further lines belong to a literal text, indented."""
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if value is None:
        return ["null"]
    if isinstance(value, int):
        return [str(value)]
    if isinstance(value, float):
        return [_float(value)]
    if isinstance(value, dict):
        return ["{}"]
    if isinstance(value, list | tuple):
        return ["[]"]
    return _text(str(value), indent)


def _float(value: float) -> str:
    """With a point, without which YAML 1.1 reads ``1e+16`` as text."""
    if not math.isfinite(value):
        raise ValueError("a number that is not finite has no JSON form")
    mantissa, mark, exponent = repr(value).partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}{mark}{exponent}"


def _text(text: str, indent: int) -> list[str]:
    if "\n" not in text or not _LITERAL.fullmatch(text) or not _PRINTABLE.fullmatch(text):
        return [_quoted_or_plain(text)]
    lines = text.split("\n")
    chomping = "-" if lines[-1] else "" if lines[-2] else "+"
    if not lines[-1]:
        lines.pop()
    # A text that is the whole document is indented too: at the margin, its first line may be read as something else.
    indent = max(indent, 2)
    return [f"|{chomping}", *(" " * indent + line if line else "" for line in lines)]


def _quoted_or_plain(text: str) -> str:
    return text if _is_plain(text) else _quoted(text)


def _is_plain(text: str) -> bool:
    """True when every reader takes the bare text as just this text."""
    if not text or _NEEDS_QUOTES.match(text) or not _PRINTABLE.fullmatch(text) or not isinstance(meaning(text), str):
        return False
    if _NUMBER_1_2.fullmatch(text):
        return False
    rules: list[tuple[str, re.Pattern[str]]] = Resolver.yaml_implicit_resolvers.get(text[0], [])
    return not any(rule.match(text) for _, rule in rules)


def _quoted(text: str) -> str:
    return _ESCAPED.sub(_escape, json.dumps(text, ensure_ascii=False))


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
