"""A repository -> its newest commit that may be followed."""

from collections.abc import Sequence
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


def accept(mirror: Mirror, head: Head, accepted: str, rules: Rules, released: Sequence[str]) -> None:
    """Whether a new head may take the place of the accepted commit (empty: there is none yet). Blocks.

    ``released`` are heads that a person let through. Raises Rewound when the branch was rewritten, Held when a signature is missing.
    """
    if head.commit in released:
        return
    if accepted and rules.rewind == "hold" and not mirror.contains(head.commit, accepted):
        raise Rewound(
            f"the branch was rewritten: {head.commit[:7]} does not contain {accepted[:7]}, which was accepted last",
            where=mirror.remote.url,
            hint="push the old commits again, or run `trueup release --repository` to follow the new history",
        )
    if rules.signing_keys:
        _demand_signatures(mirror, head, accepted, rules.signing_keys)


def _demand_signatures(mirror: Mirror, head: Head, accepted: str, keys: tuple[str, ...]) -> None:
    """Every commit since the accepted one must be signed; of a repository that is new here, its head."""
    known = accepted if accepted and mirror.has(accepted) else None
    for commit in mirror.new_commits(head.commit, known):
        if not mirror.signed_by(commit, keys):
            raise Held(
                f"{commit[:7]} is not signed by a key that the settings name",
                kind="unsigned",
                where=mirror.remote.url,
                hint="sign the commits, or run `trueup release --repository` to accept them once",
            )
