"""What a rollback did -> lines."""

from rich.text import Text

from trueup.cli.layout import LOUD, QUIET, WAITING, count, short, text
from trueup.model.answer import RolledBack


def rollback_lines(done: RolledBack) -> list[Text]:
    """From which revision to which, by which commit; or how to finish."""
    lines = [text((done.application, LOUD), f": {short(done.bad)} is held back, {short(done.good)} is what runs")]
    if done.commit:
        branch = f" on {done.branch}" if done.branch else ""
        lines.append(text(("  commit ", QUIET), (short(done.commit), LOUD), f"{branch}, {count(len(done.files), 'file')}"))
        lines += [text(("    ", QUIET), file) for file in done.files[:20]]
    if done.message:
        lines.append(text(("  ", WAITING), done.message))
    return lines
