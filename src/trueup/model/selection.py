"""Which applications somebody speaks of, and how they want it done."""

import msgspec


class Selection(msgspec.Struct, frozen=True):
    """Applications by name and by label. With neither, those whose desired revision or drift is open; ``everything``: every one."""

    names: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    everything: bool = False

    def takes(self, name: str, labels: dict[str, str]) -> bool:
        """Whether an application of this name and with these labels is spoken of."""
        return (not self.names or name in self.names) and all(labels.get(key) == value for key, value in self.labels)


class Order(msgspec.Struct, frozen=True):
    """How an apply is asked for.

    ``revision``: a commit that the followed branch contains, empty for its head. ``digests``: application -> the plan that was approved,
    of ``apply --plan FILE``: it is refused unless planning again gives the same. ``yes``: approve what guard holds (as ``approve`` does).
    """

    revision: str = ""
    digests: tuple[tuple[str, str], ...] = ()
    yes: bool = False
    wait: bool = True
    actor: str = ""


class Rollback(msgspec.Struct, frozen=True):
    """How a rollback is asked for. ``to``: the revision to go back to, empty for the last one that was healthy."""

    application: str
    to: str = ""
    reason: str = ""
    with_others: bool = False
    pull_request: bool = False
    actor: str = ""
