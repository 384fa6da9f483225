"""Runs, standings, holds and approvals."""

import os
import sqlite3
import time
from pathlib import Path

import msgspec
import pytest

from tests.unit.store.samples import ESTATE, OTHER, WEB, declared, followed, outcome, plan, run, standing, step
from trueup.model.memory import Address, Known, Memory, Waiting
from trueup.model.plan import Change, Verb
from trueup.model.run import Run, RunState, Trigger
from trueup.model.secret import Secret


def ended(at: float, name: str = "web", state: RunState = RunState.SUCCEEDED) -> Run:
    started = run(at, name, state)
    return msgspec.structs.replace(started, finished_at=started.started_at)


def paused(application: str = "web", target: str = "", repository: str = ESTATE, kind: str = "paused") -> Waiting:
    return Waiting(repository=repository, application=application, target=target, kind=kind, reason="release day")


def test_everything_a_walk_starts_from_is_known_at_once(memory: Memory) -> None:
    memory.advance(step(declared("web")))
    memory.stand(standing())
    begun, planned = run(), plan()
    memory.begin(begun, planned)
    for hold in (paused(), paused("", kind="rewound"), paused("api"), paused(target="laptop", kind="approval"), paused(target="other")):
        memory.hold(hold)
    memory.approve(WEB, "d1", "ann")
    memory.approve(Address(ESTATE, "web", "other"), "d2", "ann")
    assert memory.known(WEB) == Known(
        followed=followed(),
        declared=declared("web"),
        standing=standing(),
        run=begun,
        plan=planned,
        holds=(paused("", kind="rewound"), paused(), paused(target="laptop", kind="approval")),
        approvals=frozenset({"d1"}),
    )


def test_nothing_is_known_of_what_was_never_seen(memory: Memory) -> None:
    nothing = Known(followed=None, declared=None, standing=None, run=None, plan=None)
    assert memory.known(WEB) == nothing
    memory.hold(paused("", kind="rewound"))
    assert memory.known(Address(ESTATE)) == msgspec.structs.replace(nothing, holds=(paused("", kind="rewound"),))


def test_a_run_that_ended_keeps_no_plan(memory: Memory) -> None:
    begun = run(1.0)
    memory.begin(begun, plan())
    memory.conclude(begun)
    assert memory.known(WEB).plan == plan()
    memory.conclude(ended(2.0))
    memory.conclude(msgspec.structs.replace(begun, state=RunState.HELD), standing())
    known = memory.known(WEB)
    assert (known.run, known.plan, known.standing) == (None, None, standing())


def test_outcomes_come_one_by_one_and_the_later_counts(memory: Memory) -> None:
    begun = run(outcomes=(outcome("a", "failed"),))
    memory.begin(begun, None)
    memory.add_outcomes(begun.id, [outcome("b", "failed"), outcome("c")])
    memory.add_outcomes(begun.id, [outcome("b"), outcome("b", verb=Verb.DELETE), outcome("a")])
    expected = (outcome("a"), outcome("b"), outcome("c"), outcome("b", verb=Verb.DELETE))
    found = memory.run(begun.id)
    assert found is not None
    assert found.outcomes == expected
    assert memory.known(WEB).run == found
    assert memory.runs() == [found]
    memory.conclude(msgspec.structs.replace(found, state=RunState.SUCCEEDED, outcomes=(outcome("a"),)))
    assert memory.runs()[0].outcomes == (outcome("a"),)


def test_runs_come_newest_first_and_in_pages(memory: Memory) -> None:
    runs = [ended(float(at), "api" if at % 2 else "web") for at in range(6)]
    for each in runs:
        memory.begin(each, None)
    newest = runs[::-1]
    assert memory.runs(limit=4) == newest[:4]
    assert memory.runs(before=newest[3].id) == newest[4:]
    assert memory.runs(ESTATE, "web") == newest[1::2]
    assert memory.runs(application="api", before=newest[0].id, limit=1) == [newest[2]]
    assert memory.runs(OTHER) == memory.runs(application="never") == []


def test_a_run_is_found_by_an_unambiguous_beginning(memory: Memory) -> None:
    first, second = ended(1.0), ended(2.0)
    memory.begin(first, None)
    memory.begin(second, None)
    assert memory.run(first.id) == first
    assert memory.run(first.id[:12]) == first
    assert [memory.run(beginning) for beginning in ("", "0", "x", "%")] == [None] * 4


def test_standings_come_in_the_order_of_addresses_and_in_pages(memory: Memory) -> None:
    addresses = [Address(ESTATE, "api", "a"), Address(ESTATE, "web", "a"), Address(ESTATE, "web", "b"), Address(OTHER, "api", "a")]
    for address in addresses[::-1]:
        memory.stand(standing(address.application, address.target, repository=address.repository))

    def page(repository: str = "", after: Address | None = None, limit: int = 0) -> list[Address]:
        found = memory.standings(repository, after, limit)
        return [Address(each.status.repository, each.status.application, each.status.target) for each in found]

    assert page() == addresses
    assert page(limit=3) == addresses[:3]
    assert page(after=addresses[1], limit=2) == addresses[2:]
    assert page(ESTATE, after=addresses[0]) == addresses[1:3]
    memory.fall(addresses[1])
    assert page(ESTATE) == [addresses[0], addresses[2]]
    assert memory.standing(addresses[1]) is None
    assert memory.standing(addresses[0]) is not None


def test_figures_are_counted_and_no_document_is_read_for_them(memory: Memory, state: Path) -> None:
    for name in ("api", "web"):
        memory.stand(standing(name))
    memory.wake([WEB], Trigger.POLL)
    with sqlite3.connect(state / "memory.db") as connection:  # what is no JSON cannot be read as one
        connection.execute("update standing set body = '{'")
    assert (memory.counts(), memory.waiting()) == ([("unknown", "unknown", 2)], 1)


def test_a_hold_is_replaced_and_lifted_by_its_kind(memory: Memory) -> None:
    again = msgspec.structs.replace(paused(), reason="still")
    for hold in (paused(), again, paused("", kind="rewound"), paused(kind="approval"), paused(repository=OTHER)):
        memory.hold(hold)
    assert memory.holds(ESTATE) == [paused("", kind="rewound"), paused(kind="approval"), again]
    assert memory.holds(ESTATE, "") == [paused("", kind="rewound")]
    assert memory.holds(application="web") == [paused(kind="approval"), again, paused(repository=OTHER)]
    assert memory.lift(ESTATE, "web", ["paused"], "elsewhere") == 0
    assert memory.lift(ESTATE, "web", ["paused", "removal"]) == 1
    assert memory.lift(ESTATE, "web", ["paused"]) == 0
    assert memory.holds() == [paused("", kind="rewound"), paused(kind="approval"), paused(repository=OTHER)]


def test_an_approval_is_for_one_digest_until_it_is_withdrawn(memory: Memory) -> None:
    for digest in ("d1", "d1", "d2"):
        memory.approve(WEB, digest, "ann")
    assert memory.known(WEB).approvals == {"d1", "d2"}
    memory.withdraw(WEB)
    assert memory.known(WEB).approvals == frozenset()


def test_old_runs_go_but_the_newest_and_the_unfinished_stay(memory: Memory) -> None:
    now = time.time()
    old = [ended(now - 86400 * days) for days in (9, 8, 7, 6)]
    others = [ended(now - 86400 * 9, "api"), run(now - 86400 * 10), ended(now - 3), ended(now - 2)]
    for each in old + others:
        memory.begin(each, None)
    memory.add_outcomes(old[0].id, [outcome("a")])
    assert memory.retain(runs=3, days=5) == 3
    assert set(memory.runs()) == {old[3], *others}
    assert memory.retain(runs=3, days=5) == 0
    assert memory.retain(runs=0, days=0) == 4
    assert memory.runs() == [others[1]]


def test_a_secret_in_a_plan_is_masked(memory: Memory, state: Path) -> None:
    word = os.urandom(8).hex()
    memory.begin(run(), plan("web", Change("spec.password", None, Secret(word, "x"))))
    kept = memory.known(WEB).plan
    assert kept is not None
    assert kept.actions[0].changes == (Change("spec.password", None, "(secret)"),)
    assert not any(word.encode() in file.read_bytes() for file in state.iterdir())


def test_outcomes_of_a_run_that_was_never_begun_are_refused(memory: Memory) -> None:
    with pytest.raises(Exception, match="FOREIGN KEY"):
        memory.add_outcomes("never", [outcome("a")])
