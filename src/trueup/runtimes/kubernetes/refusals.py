"""A server's no -> words for people, in which no secret shows."""

import re
from typing import Final

from trueup.model.manifest import Body
from trueup.model.secret import MASK
from trueup.runtimes.kubernetes.client.request import Answer, Reason, Refusal
from trueup.runtimes.kubernetes.concealing import is_secret, secrets_in
from trueup.runtimes.kubernetes.live import LiveObject

_IMMUTABLE: Final = re.compile(
    r"immutable|may not change once set|may not be changed|cannot change roleRef|updates to [\w ]+ are forbidden"
    r"|updates to statefulset spec for fields other than|pod updates may not change fields other than"
    r"|field can not be changed|cannot be changed|cannot be updated|can't be changed",
    re.IGNORECASE,
)
_NO_DRY_RUN: Final = re.compile(r"does not support dry run", re.IGNORECASE)


def words(refusal: Refusal, body: Body) -> str:
    """What is wrong, field by field where the server tells; of a Secret only which fields, for a server quotes what it does not take."""
    if is_secret(body):
        fields = ", ".join(cause.field for cause in refusal.causes if cause.field)
        return f"{refusal.reason or refusal.code}: {fields or 'the server says why to who asks it by hand'}"
    text = "; ".join(f"{each.field}: {each.message}" if each.field else each.message for each in refusal.causes) or refusal.message
    for secret in secrets_in(body):
        if secret.reveal():
            text = text.replace(secret.reveal(), MASK)
    return text


def is_immutable(answer: Answer) -> bool:
    """Whether a field was refused because it can never change."""
    if not answer.says(Reason.INVALID, Reason.CONFLICT, Reason.FORBIDDEN) or answer.refusal is None:
        return False
    return bool(_IMMUTABLE.search(answer.refusal.message))


def immutable_fields(refusal: Refusal) -> str:
    """The fields that can never change, for the plan's reason."""
    fields = dict.fromkeys(cause.field for cause in refusal.causes if cause.field and _IMMUTABLE.search(cause.message))
    return ", ".join(fields) or "a field"


def cannot_be_tried(answer: Answer) -> bool:
    """Whether the server can apply an object, but cannot say what would come of it."""
    return answer.refusal is not None and bool(_NO_DRY_RUN.search(answer.refusal.message))


def mentions_last_version(answer: Answer) -> bool:
    """Whether the server failed to bring the object into the version in which it was last applied, to see what goes."""
    return answer.refusal is not None and "last applied version" in answer.refusal.message


def is_outgrown(answer: Answer, live: LiveObject) -> bool:
    """The same, and it was another version than the object is looked at in: one that lacks a field."""
    return mentions_last_version(answer) and live.applied_as not in ("", live.body["apiVersion"])


def lacks_namespace(answer: Answer) -> bool:
    """Whether it is the namespace that is not there."""
    details = answer.refusal.details if answer.refusal else None
    return answer.says(Reason.NOT_FOUND) and details is not None and details.kind == "namespaces"
