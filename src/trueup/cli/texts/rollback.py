"""What a rollback did -> lines."""

from typing import Final

from rich.text import Text

from trueup.cli.layout import LOUD, QUIET, WAITING, count, short, text
from trueup.model.answer import RolledBack

MOST_FILES: Final = 20


def rollback_lines(done: RolledBack) -> list[Text]:
    """From which revision to which, by which commit; or how to finish."""
    if not done.bad:
        return [text(done.message)]
    went = f": from {short(done.bad)} back to {short(done.good)}"
    stays = f": {short(done.bad)} is held back, {short(done.good)} is what runs"
    lines = [text((done.application, LOUD), went if done.commit else stays)]
    if done.commit:
        branch = f" on {done.branch}" if done.branch else ""
        files = f", {count(len(done.files), 'file')}" if done.files else ""
        lines.append(text(("  commit ", QUIET), (short(done.commit), LOUD), branch + files))
        lines += [text(("    ", QUIET), file) for file in done.files[:MOST_FILES]]
        more = len(done.files) - MOST_FILES
        lines += [text((f"    and {more} more", QUIET))] if more > 0 else []
    if done.message:
        lines.append(text(("  ", WAITING), done.message))
    return lines
