"""Desired state -> the plan that would make the target true, with what moves between applications settled."""

from trueup.model.contracts import Desired, Runtime
from trueup.model.manifest import Key
from trueup.model.memory import Catalog
from trueup.model.plan import Action, Plan, Verb, plan_of

Declaring = dict[Key, tuple[str, ...]]
"""Which applications of the repository declare an object at the target."""


async def plan(runtime: Runtime, desired: Desired, catalog: Catalog) -> Plan:
    """What would change; nothing is changed. Raises Unreachable, and Refused with every refusal.

    An object that another application of the repository declares at this target by now is left to be handed over to it; one that
    another application owns and does not declare any more is handed over to this one (verb ``adopt``, reason ``moved from NAME``).
    """
    application = desired.application
    raw = await runtime.plan(desired)
    moving = [action.key for action in raw.actions if action.verb is Verb.DELETE or action.owner]
    if not moving:
        return raw
    declaring = catalog.declaring(application.repository, application.target, moving)
    awaited = [action.key for action in raw.actions if action.verb is Verb.DELETE and _others(action, application.name, declaring)]
    own = await _own(runtime, application.repository, declaring) if awaited else frozenset()
    actions = [settled for action in raw.actions if (settled := _settled(action, application.name, declaring, own))]
    return plan_of(raw.application, raw.target, raw.repository, raw.revision, actions)


async def _own(runtime: Runtime, repository: str, declaring: Declaring) -> frozenset[tuple[str, Key]]:
    """Who has an object of its own with one of these keys. Where each application has its own folder or namespace two objects may have the
    same key: then nothing is handed over, and what leaves Git is deleted."""
    owned = [each for each in await runtime.owned() if each.owner.repository == repository]
    return frozenset((each.owner.application, key) for each in owned for key in each.keys if key in declaring)


def _others(action: Action, application: str, declaring: Declaring) -> list[str]:
    return [name for name in declaring.get(action.key, ()) if name != application]


def _settled(action: Action, application: str, declaring: Declaring, own: frozenset[tuple[str, Key]]) -> Action | None:
    others = _others(action, application, declaring)
    if action.verb is Verb.DELETE:
        return None if any((name, action.key) not in own for name in others) else action
    if action.owner and " of " not in action.owner and action.owner not in others:
        return _moved(action)
    return action


def _moved(action: Action) -> Action:
    fields = {name: getattr(action, name) for name in action.__struct_fields__}
    return Action(**{**fields, "reason": f"moved from {action.owner}", "owner": "", "foreign": False})
