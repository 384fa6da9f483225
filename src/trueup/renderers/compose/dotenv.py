"""An env file -> the variables that it sets, with the quoting, escapes and variables of ``.env`` files as Compose reads them."""

import re
from collections.abc import Mapping
from typing import Final

from trueup.renderers.compose.interpolation import Lookup, Unsubstituted, substitute
from trueup.renderers.compose.located import Faults, Place

_EXPORT: Final = re.compile(r"export\s+")
_KEY: Final = re.compile(r"[\w.\-\[\] \t\v\f\r\x85\xa0]*")
_ESCAPE: Final = re.compile(r'\\(?:[abcfnrtv$"\\]|0[0-9]{0,3})')
_ESCAPES: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\", "$": "$$"}


def read_variables(content: bytes, file: str, known: Mapping[str, str], lookup: Lookup, faults: Faults) -> dict[str, str]:
    """The variables of a file. ``lookup`` gives those that come before the file's own; ``known`` those of earlier files."""
    reader = _Reader(content, file, lookup, faults)
    reader.found = dict(known)
    reader.read()
    return reader.found


def read_raw(content: bytes, file: str, lookup: Lookup, faults: Faults) -> dict[str, str]:
    """The variables of a file of ``format: raw``: what stands after the first ``=`` is the value, whatever it is."""
    found: dict[str, str] = {}
    for number, line in enumerate(_text(content).split("\n"), 1):
        line = line.removesuffix("\r").lstrip()
        name, equals, value = line.partition("=")
        if not line or line.startswith("#"):
            continue
        if not name or re.search(r"\s", name):
            faults.add(Place(file, number), "the name of a variable is missing or has a space in it", "write NAME=value")
        elif equals:
            found[name] = value
        elif (inherited := lookup(name)) is not None:
            found[name] = inherited
    return found


def _text(content: bytes) -> str:
    return content.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")


class _Reader:
    def __init__(self, content: bytes, file: str, lookup: Lookup, faults: Faults) -> None:
        self.text = _text(content)
        self.file = file
        self.lookup = lookup
        self.faults = faults
        self.found: dict[str, str] = {}
        self.at = 0

    def read(self) -> None:
        """Every statement, until the end or what cannot be understood."""
        while self._find_statement():
            export = _EXPORT.match(self.text, self.at)
            self.at = export.end() if export else self.at
            start = self.at
            key = _KEY.match(self.text, self.at)
            assert key is not None
            name, self.at = key[0].rstrip(), key.end()
            after = self.text[self.at : self.at + 1]
            if after not in ("=", ":", "\n", "") or " " in name or (not name and after in ("=", ":")):
                self._fault(start, "this is no variable", "write NAME=value; a name has letters, digits, `_`, `.` and `-`")
                return
            self.at += 1
            if after in ("\n", ""):
                self._inherit(name)
            elif not self._set(name):
                return

    def _find_statement(self) -> bool:
        while self.at < len(self.text):
            if self.text[self.at].isspace():
                self.at += 1
            elif self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return True
        return False

    def _inherit(self, name: str) -> None:
        value = self.lookup(name)
        if value is not None:
            self.found[name] = value

    def _set(self, name: str) -> bool:
        while self.text[self.at : self.at + 1] in (*" \t\v\f\r\x85\xa0",):
            self.at += 1
        start = self.at
        quote = self.text[self.at : self.at + 1]
        if quote in ("'", '"'):
            value = self._quoted(quote)
            if value is None:
                self._fault(start, "a quote is not closed", "close it, or put the whole value in the other kind of quotes")
                return False
        else:
            end = self.text.find("\n", self.at)
            end = len(self.text) if end < 0 else end
            value = self.text[self.at : end].partition(" #")[0].rstrip()
            self.at = end + 1
        self.found[name] = value if quote == "'" else self._completed(value, start)
        return True

    def _quoted(self, quote: str) -> str | None:
        """The value, where only the quote itself is taken out of its escape."""
        kept: list[str] = []
        self.at += 1
        while self.at < len(self.text):
            here, after = self.text[self.at], self.text[self.at + 1 : self.at + 2]
            if here == quote:
                self.at += 1
                value = "".join(kept)
                return _unescaped(value) if quote == '"' else value
            if here == "\\" and after:
                kept.append(after if after == quote else here + after)
                self.at += 2
            else:
                kept.append(here)
                self.at += 1
        return None

    def _completed(self, value: str, start: int) -> str:
        try:
            return substitute(value, self._value_of)
        except Unsubstituted as error:
            hint = "write the value in single quotes, where `$` means itself, or `$$`"
            self._fault(start, error.message, hint)
            return ""

    def _value_of(self, name: str) -> str | None:
        value = self.lookup(name)
        return self.found.get(name) if value is None else value

    def _fault(self, at: int, message: str, hint: str) -> None:
        self.faults.add(Place(self.file, self.text.count("\n", 0, at) + 1), message, hint)


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(_meant, value)


def _meant(found: re.Match[str]) -> str:
    escape = found[0][1:]
    if not escape.startswith("0"):
        return _ESCAPES.get(escape, found[0])
    digits = escape[1:]
    octal = re.fullmatch("[0-3][0-7]{2}", digits)
    return chr(int(digits, 8)) if octal else "\\" + digits
