"""Why a thing is as it is -> a short block that reads from Git to the target."""

from rich.text import Text

from trueup.cli.changes import change_lines
from trueup.cli.layout import BAD, LOUD, QUIET, WAITING, indented, moment, short, text, value
from trueup.model.answer import Why
from trueup.model.contracts import Touch
from trueup.model.wire import plain
from trueup.toolkit.emitter import dump


def why_lines(why: Why) -> list[Text]:
    """Value in Git and live, what set it, which run applied it, who changed it since."""
    field = f" {why.field}" if why.field else ""
    lines = [text((f"{why.key}{field}", LOUD), f" of {why.application}"), text()]
    lines += _values(why) if why.field else []
    lines += indented(_set_by(why), 2)
    if why.commit and why.exact:
        applied = f"{moment(why.applied_at)} by run {why.run}" if why.run else "not by any run that is remembered"
        lines.append(text(("  applied  ", QUIET), applied))
    for touch in why.changed_by:
        lines += _touch(touch)
    return lines


def _values(why: Why) -> list[Text]:
    desired, live = plain(why.desired), plain(why.live)
    same = desired == live
    return [
        *_value("in Git", desired, ""),
        *([text(("  live     ", QUIET), "the same")] if same else _value("live", live, WAITING)),
    ]


def _value(title: str, thing: object, style: str) -> list[Text]:
    is_text = isinstance(thing, str) and "\n" in thing
    if not is_text and (not isinstance(thing, dict | list) or len(value(thing)) <= 100):
        return [text((f"  {title:8} ", QUIET), (value(thing), style))]
    written = thing if isinstance(thing, str) else dump(thing)
    return [text((f"  {title:8}", QUIET)), *(text("           ", (line, style)) for line in written.splitlines())]


def _set_by(why: Why) -> list[Text]:
    if not why.commit:
        return [text(("set by   ", QUIET), ("nothing in Git", BAD))]
    title = "set by   " if why.exact else "set at or before  "
    lines = [text((title, QUIET), (short(why.commit), LOUD), f"  {why.subject}")]
    who = ", ".join(part for part in (why.author, moment(why.date) if why.date else "") if part)
    if who:
        lines.append(text("         ", who))
    if why.file:
        lines.append(text("         ", f"{why.file}:{why.line}" if why.line else why.file))
    return lines


def _touch(touch: Touch) -> list[Text]:
    at = f", {touch.at}" if touch.at else ""
    return [
        text(("  since    ", QUIET), ("changed by ", WAITING), f"{touch.manager}{at}"),
        *indented(change_lines(touch.changes, made=False), 11),
    ]
