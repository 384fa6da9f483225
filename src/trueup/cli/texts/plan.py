"""Plans -> lines: each action with its sign, key, effect and reason, then its field changes, then the sum."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from rich.text import Text

from trueup.cli.changes import change_lines
from trueup.cli.layout import BAD, GOOD, LOUD, QUIET, WAITING, count, indented, short, text
from trueup.model.plan import Action, Effect, Plan, Summary, Verb

SIGNS: Final = {
    Verb.CREATE: ("+", GOOD),
    Verb.UPDATE: ("~", WAITING),
    Verb.REPLACE: ("-/+", BAD),
    Verb.ADOPT: ("<", WAITING),
    Verb.DELETE: ("-", BAD),
    Verb.UNCHANGED: ("=", QUIET),
}


def plan_lines(plans: Sequence[Plan], everything: bool) -> list[Text]:
    """All plans, an empty line between them, and their sum when there are several. ``everything``: unchanged objects too."""
    if not plans:
        return [text("nothing to do: every application is as Git says")]
    lines: list[Text] = []
    for plan in plans:
        lines += [*_plan(plan, everything), text()]
    if len(plans) > 1:
        return [*lines, text((f"{count(len(plans), 'application')}: {summary_words(plans)}", LOUD))]
    return lines[:-1]


def summary_words(plans: Iterable[Plan]) -> str:
    """``2 to create, 1 to update (1 restart), 0 to delete; 5 unchanged``."""
    told = list(plans)
    total = {name: sum(getattr(plan.summary, name) for plan in told) for name in Summary.__struct_fields__}
    effects: Counter[Effect] = Counter(action.effect for plan in told for action in plan.actions if action.verb is Verb.UPDATE)
    effect = ", ".join(count(effects[each], each.value) for each in Effect if effects[each] and each is not Effect.NONE)
    words = [f"{total['create']} to create", f"{total['update']} to update" + (f" ({effect})" if effect else "")]
    words += [f"{total[verb]} to {verb}" for verb in ("replace", "adopt") if total[verb]]
    words.append(f"{total['delete']} to delete")
    return f"{', '.join(words)}; {total['unchanged']} unchanged"


def _plan(plan: Plan, everything: bool) -> list[Text]:
    shown = plan.actions if everything else (*plan.changes, *plan.on_failure) if plan.changes else ()
    revision = f"at {short(plan.revision)}" if plan.revision else "as the files lie on disk"
    head = text((plan.application, LOUD), f" on {plan.target} {revision}")
    if not shown:
        return [head.append(f": nothing to change, {plan.summary.unchanged} unchanged")]
    lines = [head, text()]
    for action in shown:
        lines += indented(_action(action), 2)
    return [*lines, text(), text(summary_words([plan])), *_held(plan)]


def _action(action: Action) -> list[Text]:
    sign, style = SIGNS[action.verb]
    pieces: list[str | tuple[str, str]] = [(f"{sign:3} ", style), (str(action.key), LOUD)]
    if action.effect is not Effect.NONE:
        pieces.append((f"  {action.effect.value}", WAITING))
    if action.reason:
        pieces.append(f"  {action.reason}")
    if not action.verified:
        pieces.append(("  not verified by the target", QUIET))
    if action.wave:
        pieces.append((f"  wave {action.wave}", QUIET))
    if action.origin.file:
        line = f":{action.origin.line}" if action.origin.line else ""
        pieces.append((f"  {action.origin.file}{line}", QUIET))
    return [text(*pieces), *indented(change_lines(action.changes, action.verb is Verb.CREATE), 6)]


def _held(plan: Plan) -> list[Text]:
    if plan.held is None:
        return []
    kind = "" if plan.held.reason.startswith(plan.held.kind) else f" ({plan.held.kind})"
    hint = lifting(plan.application, plan.held.kind, plan.digest)
    return [text(("held: ", WAITING), f"{plan.held.reason}{kind}"), text(("hint: ", QUIET), hint)]


def lifting(application: str, kind: str, digest: str) -> str:
    """How a hold of this kind, on the plan with this digest, is lifted."""
    if kind == "approval":
        return f"`trueup approve {application} --digest {digest}` lets it go"
    if kind in ("rewound", "unsigned"):
        return "`trueup release --repository` lets it go"
    if kind == "owner":
        return "let one application declare the object, or remove it from the other one first"
    return f"`trueup release {application}` lets it go"
