"""Desired state -> the plan that would make the target true, with what moves between applications settled."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from trueup.model.contracts import Desired, HasNamespaces, Runtime
from trueup.model.manifest import ANY_NAMESPACE, Key
from trueup.model.plan import Action, Plan, plan_of


class Declarations(Protocol):
    """Who declares what; a catalog is one."""

    def declaring(self, repository: str, target: str, keys: Sequence[Key]) -> dict[Key, tuple[str, ...]]:
        """Which applications of the repository render which of these keys for that target."""


async def plan(runtime: Runtime, desired: Desired, declarations: Declarations) -> Plan:
    """What would change; nothing is changed. Raises Unreachable, and Refused with every refusal.

    An object that another application of the repository declares at this target by now is left to be handed over to it; one that
    another application owns and does not declare any more is handed over to this one (verb ``adopt``, reason ``moved from NAME``).
    """
    application = desired.application
    raw = msgspec.structs.replace(await runtime.plan(desired), removal=desired.removed)
    moving = [action.key for action in raw.actions if not action.desired or action.owner]
    if not moving:
        return raw
    namespace = runtime.namespace if isinstance(runtime, HasNamespaces) else None
    names = {key: _names(key, namespace) for key in moving}
    asked = [name for several in names.values() for name in several]
    found = declarations.declaring(application.repository, application.target, asked)
    declaring = {key: tuple(each for name in several for each in found.get(name, ())) for key, several in names.items()}
    actions = [kept for action in raw.actions if (kept := _settled(action, application.name, declaring))]
    settled = plan_of(raw.application, raw.target, raw.repository, raw.revision, actions)
    return msgspec.structs.replace(settled, removal=desired.removed)


def _names(key: Key, namespace: str | None) -> tuple[Key, ...]:
    """How an object may be named in Git: in full, without the namespace that it is in anyway, or in one though its kind is in none.

    Of a kind that is not built in only the target knows whether it is in namespaces; until then it is given its application's.
    """
    if namespace is not None and not key.namespace:
        return key, Key(key.kind, key.name, key.group, ANY_NAMESPACE)
    return (key, Key(key.kind, key.name, key.group)) if key.namespace and key.namespace == namespace else (key,)


def _settled(action: Action, application: str, declaring: dict[Key, tuple[str, ...]]) -> Action | None:
    others = [name for name in declaring.get(action.key, ()) if name != application]
    if not action.desired:
        # It leaves Git here, whether it is deleted or only let go of.
        return None if others and not action.own else action
    if action.owner and " of " not in action.owner and action.owner not in others:
        return _moved(action)
    return action


def _moved(action: Action) -> Action:
    fields = {name: getattr(action, name) for name in action.__struct_fields__}
    return Action(**{**fields, "reason": f"moved from {action.owner}", "owner": "", "foreign": False})
