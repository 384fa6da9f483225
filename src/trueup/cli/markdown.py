"""Plans -> Markdown fit for a comment on a pull request: a table in sight, the details folded.

Whatever comes from a repository or a target stands inside code, escaped so that none of it is read as markup, as a mention or as HTML.
"""

import re
from collections.abc import Sequence
from typing import Final

from trueup.cli.layout import count, short, visible
from trueup.cli.texts.plan import plan_lines, summary_words
from trueup.model.plan import Plan

LONGEST: Final = 60_000
"""Characters of the whole; a comment on GitHub may have 65,536."""
LONGEST_TABLE: Final = 20_000

_HEAD: Final = (
    "| application | target | revision | create | update | replace | adopt | delete | held |\n|---|---|---|--:|--:|--:|--:|--:|---|\n"
)
_FENCES: Final = re.compile(r"`{3,}")
_SPECIAL: Final = re.compile(r"[^A-Za-z0-9 ./:,=+()]")


def plan_markdown(plans: Sequence[Plan], everything: bool) -> str:
    """The comment. What does not fit is counted."""
    if not plans:
        return "### Trueup plan\n\nNothing to do: every application is as Git says.\n"
    parts = [f"### Trueup plan: {summary_words(plans)}\n\n", _table(plans)]
    left = LONGEST - sum(map(len, parts))
    for number, plan in enumerate(plans):
        details = _details(plan, everything)
        if len(details) > left:
            parts.append(f"\n{count(len(plans) - number, 'more application')} not shown in detail: `trueup plan` shows all.\n")
            break
        parts.append(details)
        left -= len(details)
    return "".join(parts)


def code(text: str) -> str:
    """The text as inline code in which nothing is markup; entities take no part in the structure of Markdown."""
    escaped = _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", visible(text))
    return f"<code>{escaped}</code>" if escaped else ""


def _table(plans: Sequence[Plan]) -> str:
    rows: list[str] = []
    left = LONGEST_TABLE
    for number, plan in enumerate(plans):
        row = _row(plan)
        left -= len(row)
        if left < 0:
            return f"{_HEAD}{''.join(rows)}\nand {count(len(plans) - number, 'more application')}\n"
        rows.append(row)
    return f"{_HEAD}{''.join(rows)}"


def _row(plan: Plan) -> str:
    summary = plan.summary
    counts = " | ".join(str(number) for number in (summary.create, summary.update, summary.replace, summary.adopt, summary.delete))
    held = code(plan.held.reason) if plan.held else ""
    return f"| {code(plan.application)} | {code(plan.target)} | {code(short(plan.revision))} | {counts} | {held} |\n"


def _details(plan: Plan, everything: bool) -> str:
    body = "\n".join(line.plain.removeprefix("  ").rstrip() for line in plan_lines([plan], everything)[2:])
    if not body:
        return ""
    fence = "`" * (max((len(run) for run in _FENCES.findall(body)), default=2) + 1)
    title = f"{code(plan.application)} on {code(plan.target)}: {summary_words([plan])}"
    return f"\n<details><summary>{title}</summary>\n\n{fence}diff\n{body}\n{fence}\n\n</details>\n"
