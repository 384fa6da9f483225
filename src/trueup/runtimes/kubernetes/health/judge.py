"""An object, as the API server gives it -> its health and the reason, in one line."""

from datetime import UTC, datetime

from trueup.model.health import Health
from trueup.model.manifest import Body
from trueup.runtimes.kubernetes.health.conditions import ready, reconciling, terminating, unobserved
from trueup.runtimes.kubernetes.health.kinds import KINDS
from trueup.runtimes.kubernetes.health.rules import BUILT_IN, Rules
from trueup.runtimes.kubernetes.health.seen import Seen


def health_of(body: Body, rules: Rules = BUILT_IN, now: datetime | None = None) -> Health:
    """The health of an object; never raises, whatever the object holds.

    What goes away, and what its controller has not seen yet, is progressing. Then the first counts that has something to say: a declared
    rule; the conditions of kstatus; the rule of a built-in kind; a rule that ships; a Ready condition. Else it is healthy.
    """
    seen = Seen(body, now or datetime.now(UTC))
    return terminating(seen) or unobserved(seen) or rules.declared(seen) or reconciling(seen) or _of_kind(seen, rules) or ready(seen)


def _of_kind(seen: Seen, rules: Rules) -> Health | None:
    judge = KINDS.get(seen.kind)
    return judge(seen) if judge else rules.shipped(seen)
