"""A repository -> its newest commit that may be followed."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from trueup.model.errors import Held, Rewound
from trueup.toolkit.git.mirror import Head, Mirror


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator demands of a repository: whether a rewritten branch is followed, and whose signatures every commit must carry."""

    rewind: Literal["hold", "follow"] = "hold"
    signing_keys: tuple[str, ...] = ()


async def fetch(mirror: Mirror, reference: str) -> Head:
    """The head of what is followed, with all of its history here. Raises Unreachable or SettingsError."""
    head = await mirror.head(reference)
    await mirror.fetch(head)
    return head


def released(approvals: Iterable[str], kind: str) -> tuple[str, ...]:
    """The heads that a person let through although they were held for this reason."""
    return tuple(approval.removeprefix(f"{kind} ") for approval in approvals if approval.startswith(f"{kind} "))


def accept(mirror: Mirror, head: str, accepted: str, rules: Rules, approvals: Collection[str]) -> None:
    """Whether a new head may take the place of the accepted commit (empty: there is none yet). Blocks.

    ``approvals`` are what a person let through: the hold's kind and the head. Raises Rewound when the branch was rewritten, Held when a
    signature is missing.
    """
    bases = (accepted, *released(approvals, "rewound"))
    if accepted and rules.rewind == "hold" and not any(mirror.contains(head, base) for base in bases):
        raise Rewound(
            f"the branch was rewritten: {head[:7]} does not contain {accepted[:7]}, which was accepted last",
            where=mirror.remote.url,
            hint="push the old commits again, or run `trueup release --repository` to follow the new history",
        )
    if rules.signing_keys:
        known = accepted if accepted and mirror.has(accepted) else None
        _demand_signatures(mirror, mirror.new_commits(head, known), rules.signing_keys, released(approvals, "unsigned"))


def _demand_signatures(mirror: Mirror, commits: Iterable[str], keys: tuple[str, ...], let_through: tuple[str, ...]) -> None:
    """Every commit since the accepted one must be signed; of a repository that is new here, its head."""
    for commit in commits:
        if not mirror.signed_by(commit, keys) and not any(mirror.contains(each, commit) for each in let_through):
            raise Held(
                f"{commit[:7]} is not signed by a key that the settings name",
                kind="unsigned",
                where=mirror.remote.url,
                hint="sign the commits, or run `trueup release --repository` to accept them once",
            )
