"""One row per name: nothing is lost, nothing is done twice at once."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from tests.unit.store.samples import ESTATE, ME, OTHER, SOMEBODY, WEB
from trueup.model.memory import Address, Lease, Memory, Row
from trueup.model.run import Trigger
from trueup.store import this_process
from trueup.store.database import Database
from trueup.store.queue import StoredQueue
from trueup.store.schema import migrate

API = Address(ESTATE, "api", "laptop")


def one(rows: list[Row]) -> Row:
    assert len(rows) == 1
    return rows[0]


def test_a_name_that_is_woken_often_is_one_row(memory: Memory) -> None:
    for _ in range(3):
        memory.wake([WEB], Trigger.PUSH)
    assert memory.pending() == [WEB]
    row = one(memory.claim(ME, now=100.0, limit=10))
    assert (row.address, row.trigger, row.attempts, row.lease_until) == (WEB, Trigger.PUSH, 0, 160.0)
    assert memory.finish(row, ME)
    assert memory.pending() == []


def test_a_claimed_row_is_nobody_elses(memory: Memory) -> None:
    memory.wake([WEB], Trigger.PUSH)
    assert memory.claim(ME, now=100.0, limit=1)
    assert memory.claim(SOMEBODY, now=100.0, limit=1) == []
    assert memory.claim(ME, now=100.0, limit=1) == []
    assert memory.claim_one(WEB, SOMEBODY, now=100.0) is None
    assert memory.next_due() is None


def test_the_rows_of_some_targets_can_be_left(memory: Memory) -> None:
    memory.wake([WEB, Address(ESTATE, "web", "cluster")], Trigger.PUSH)
    row = one(memory.claim(ME, now=100.0, limit=10, without=[(ESTATE, WEB.target)]))
    assert row.address.target == "cluster"
    assert memory.claim(ME, now=100.0, limit=10, without=[(ESTATE, WEB.target), (ESTATE, "cluster")]) == []


def test_what_is_due_later_is_seen_past_what_is_due(memory: Memory) -> None:
    memory.wake([WEB], Trigger.PUSH)
    memory.wake([API], Trigger.PUSH, due=200.0)
    assert (memory.next_due(), memory.next_due(after=100.0), memory.next_due(after=200.0)) == (0.0, 200.0, None)


def test_a_change_during_a_walk_makes_one_more_walk(memory: Memory) -> None:
    memory.wake([WEB], Trigger.PUSH)
    row = one(memory.claim(ME, now=100.0, limit=1))
    memory.wake([WEB], Trigger.DRIFT)
    memory.wake([WEB], Trigger.POLL)
    assert not memory.finish(row, ME)
    again = one(memory.claim(SOMEBODY, now=100.0, limit=1))
    assert again.trigger is Trigger.DRIFT  # the push was walked
    assert memory.finish(again, SOMEBODY)


def test_a_postponed_row_waits_unless_something_changed_meanwhile(memory: Memory) -> None:
    memory.wake([WEB, API], Trigger.PUSH)
    rows = memory.claim(ME, now=100.0, limit=2)
    memory.wake([API], Trigger.PUSH)
    for row in rows:
        memory.postpone(row, ME, due=150.0, attempts=3)
    now = one(memory.claim(ME, now=100.0, limit=2))
    assert (now.address, now.attempts) == (API, 3)
    assert memory.next_due() == 150.0
    assert one(memory.claim(ME, now=150.0, limit=2)).address == WEB


def test_a_wake_up_brings_a_postponed_row_forward(memory: Memory) -> None:
    memory.wake([WEB], Trigger.PUSH, due=500.0)
    assert memory.claim(ME, now=100.0, limit=1) == []
    memory.wake([WEB], Trigger.DRIFT, due=900.0)
    assert memory.next_due() == 500.0
    memory.wake([WEB], Trigger.DRIFT)
    assert one(memory.claim(ME, now=100.0, limit=1)).trigger is Trigger.PUSH


def test_the_most_urgent_come_first(memory: Memory) -> None:
    names = [Address(ESTATE, name, "laptop") for name in ("later", "sooner", "person", "waits")]
    memory.wake(names[:1], Trigger.POLL, due=20.0)
    memory.wake(names[1:2], Trigger.POLL, due=10.0)
    memory.wake(names[2:3], Trigger.PERSON, due=30.0, priority=5)
    memory.wake(names[3:], Trigger.PERSON, due=200.0, priority=9)
    rows = memory.claim(ME, now=100.0, limit=2)
    assert [row.address.application for row in rows] == ["person", "sooner"]
    assert one(memory.claim(ME, now=100.0, limit=2)).address.application == "later"


def test_a_row_keeps_its_higher_priority_and_the_trigger_of_it(memory: Memory) -> None:
    memory.wake([WEB, API], Trigger.POLL, due=5.0)
    memory.wake([API], Trigger.PERSON, due=9.0, priority=5)
    memory.wake([API], Trigger.DRIFT, due=1.0, priority=1)
    assert [(row.address, row.trigger) for row in memory.claim(ME, now=100.0, limit=2)] == [(API, Trigger.PERSON), (WEB, Trigger.POLL)]


def test_repositories_are_fetched_and_applications_walked(memory: Memory) -> None:
    memory.wake([WEB, Address(ESTATE)], Trigger.POLL)
    assert one(memory.claim(ME, 100.0, 9, kind="repository")).address == Address(ESTATE)
    assert memory.next_due("repository") is None
    assert one(memory.claim(ME, 100.0, 9)).address == WEB


def test_a_lease_that_ran_out_is_claimed_by_another_and_lost_to_the_first(memory: Memory) -> None:
    memory.wake([WEB], Trigger.PUSH)
    first = one(memory.claim(ME, now=100.0, limit=1))
    assert memory.renew(first, ME, now=130.0)
    assert memory.claim(SOMEBODY, now=170.0, limit=1) == []
    second = one(memory.claim(SOMEBODY, now=191.0, limit=1))
    assert not memory.renew(first, ME, now=191.0)
    assert not memory.finish(first, ME)
    memory.postpone(first, ME, due=0.0, attempts=9)
    assert memory.claim(ME, now=200.0, limit=1) == []
    assert memory.finish(second, SOMEBODY)


def test_a_walk_that_lost_its_lease_to_its_own_process_changes_nothing(memory: Memory) -> None:
    memory.wake([WEB], Trigger.PUSH)
    first = one(memory.claim(ME, now=100.0, limit=1))
    second = one(memory.claim(ME, now=200.0, limit=1))
    assert not memory.renew(first, ME, now=200.0)
    assert not memory.finish(first, ME)
    assert memory.renew(second, ME, now=200.0)


def test_one_row_can_be_claimed_before_it_is_due_or_there(memory: Memory) -> None:
    memory.wake([WEB], Trigger.RETRY, due=900.0)
    early = memory.claim_one(WEB, ME, now=100.0)
    made = memory.claim_one(API, ME, now=100.0)
    assert early is not None
    assert made is not None
    assert (early.trigger, made.trigger) == (Trigger.RETRY, Trigger.PERSON)
    memory.wake([WEB], Trigger.PUSH, due=900.0)
    memory.postpone(early, ME, due=900.0, attempts=0)
    assert one(memory.claim(ME, now=100.0, limit=9)).address == WEB
    assert memory.finish(made, ME)


def test_a_graceful_stop_gives_everything_back_at_once(memory: Memory) -> None:
    memory.wake([WEB, API], Trigger.PUSH)
    memory.claim(ME, now=100.0, limit=1)
    memory.claim(SOMEBODY, now=100.0, limit=1)
    assert memory.free(ME) == 1
    assert len(memory.claim(SOMEBODY, now=100.0, limit=9)) == 1


def test_the_rows_of_the_dead_come_back_at_once(memory: Memory) -> None:
    alive = this_process()
    owners = {
        "another boot": Lease(alive.host, "another", alive.pid, alive.started),
        "gone": Lease(alive.host, alive.boot, 2**22 + 1, 5),
        "another process": Lease(alive.host, alive.boot, alive.pid, alive.started - 1),
        "another host": Lease("elsewhere", "another", 1, 1),
        "alive": alive,
    }
    for name, owner in owners.items():
        assert memory.claim_one(Address(ESTATE, name, "laptop"), owner, now=100.0)
    assert memory.free_dead(alive) == 3
    claimed = {row.address.application for row in memory.claim(alive, now=100.0, limit=9)}
    assert claimed == {"another boot", "gone", "another process"}


def test_what_is_pending_can_be_asked_for_one_repository(memory: Memory) -> None:
    memory.wake([WEB, API, Address(OTHER)], Trigger.POLL)
    assert memory.pending() == [API, WEB, Address(OTHER)]
    assert memory.pending(OTHER) == [Address(OTHER)]
    assert memory.pending("never seen") == []
    assert memory.waiting() == 2


class QueueMachine(RuleBasedStateMachine):
    """The queue against what it means: a name is wanted since a moment, and somebody walks it or nobody does."""

    claims = Bundle("claims")
    names = st.sampled_from([Address(ESTATE, name, "laptop") for name in "ab"] + [Address(OTHER, "a", "laptop")])
    owners = st.sampled_from([ME, SOMEBODY])

    def __init__(self) -> None:
        super().__init__()
        self.queue = StoredQueue(self.database())
        self.now = 1000.0
        self.due: dict[Address, float] = {}
        self.changed: dict[Address, bool] = {}
        self.held: dict[Address, tuple[Row, Lease]] = {}

    def database(self) -> Database:
        raise NotImplementedError

    def holds(self, claim: tuple[Row, Lease]) -> bool:
        return self.held.get(claim[0].address) == claim

    def free(self, address: Address) -> bool:
        return address not in self.held or self.held[address][0].lease_until < self.now

    def take(self, row: Row, owner: Lease) -> tuple[Row, Lease]:
        self.held[row.address] = (row, owner)
        self.changed[row.address] = False
        self.due[row.address] = min(self.due.get(row.address, self.now), self.now)
        return row, owner

    @rule(address=names, wait=st.sampled_from([0.0, 30.0]))
    def wake(self, address: Address, wait: float) -> None:
        due = self.now + wait if wait else 0.0
        self.queue.wake([address], Trigger.PUSH, due)
        self.due[address] = min(self.due.get(address, due), due)
        self.changed[address] = True

    @rule(target=claims, owner=owners)
    def claim(self, owner: Lease) -> tuple[Row, Lease] | None:
        ready = {address for address, due in self.due.items() if due <= self.now and self.free(address)}
        rows = self.queue.claim(owner, self.now, 1)
        assert len(rows) == min(1, len(ready))
        assert {row.address for row in rows} <= ready
        return self.take(rows[0], owner) if rows else None

    @rule(target=claims, address=names, owner=owners)
    def claim_one(self, address: Address, owner: Lease) -> tuple[Row, Lease] | None:
        row = self.queue.claim_one(address, owner, self.now)
        assert (row is not None) == self.free(address)
        return self.take(row, owner) if row else None

    @rule(claim=consumes(claims))
    def finish(self, claim: tuple[Row, Lease] | None) -> None:
        if claim is None:
            return
        address, mine = claim[0].address, self.holds(claim)
        gone = self.queue.finish(*claim)
        assert gone == (mine and not self.changed[address])
        if mine:
            del self.held[address]
        if gone:
            del self.due[address]

    @rule(claim=consumes(claims))
    def postpone(self, claim: tuple[Row, Lease] | None) -> None:
        if claim is None:
            return
        self.queue.postpone(*claim, due=self.now + 20, attempts=1)
        if self.holds(claim):
            address = claim[0].address
            del self.held[address]
            self.due[address] = self.due[address] if self.changed[address] else self.now + 20

    @rule(owner=owners)
    def stop(self, owner: Lease) -> None:
        mine = [address for address, (_, holder) in self.held.items() if holder == owner]
        assert self.queue.free(owner) == len(mine)
        for address in mine:
            del self.held[address]

    @rule(seconds=st.sampled_from([1.0, 25.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def nothing_is_lost(self) -> None:
        assert set(self.queue.pending()) == set(self.due)
        assert self.queue.next_due() == min((due for address, due in self.due.items() if address not in self.held), default=None)


def test_the_queue_does_what_it_means(tmp_path_factory: pytest.TempPathFactory) -> None:
    class Machine(QueueMachine):
        def database(self) -> Database:
            database = Database(tmp_path_factory.mktemp("queue") / "memory.db")
            migrate(database)
            return database

        def teardown(self) -> None:
            self.queue._database.close()

    case = Machine.TestCase
    case.settings = settings(max_examples=25, stateful_step_count=30, deadline=None, database=None)
    case("runTest").runTest()
