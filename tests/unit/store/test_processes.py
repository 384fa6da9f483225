"""Two processes, one memory: hammered, and killed in the middle of a step."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkProcess
from multiprocessing.sharedctypes import RawArray
from pathlib import Path

from tests.unit.store.samples import ESTATE, ME, WEB, declared, files, followed, run, standing, step
from trueup.model.memory import Address, Advance, Lease, Memory
from trueup.model.run import Trigger
from trueup.store import open_memory, this_process

NAMES = [Address(ESTATE, f"app-{number}", "laptop") for number in range(50)]
WAKES = 2000
WALKS = 100


def fork(action: Callable[[], None]) -> ForkProcess:
    """A process that ends after the action, without any of what the tests would do at their end."""

    def body() -> None:
        action()
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=body)
    process.start()
    return process


class Board:
    """Memory that processes share: what is wanted of each name, what its walker saw, who walks it now, and what went wrong."""

    def __init__(self) -> None:
        self.wanted, self.seen, self.walker = (RawArray("i", len(NAMES)) for _ in range(3))
        self.faults, self.walks, self.over = (RawArray("i", 2) for _ in range(3))

    def walk(self, place: int, walker: int) -> None:
        self.faults[walker - 1] += self.walker[place] != 0
        self.walker[place] = walker
        self.seen[place] = self.wanted[place]
        time.sleep(0)
        self.faults[walker - 1] += self.walker[place] != walker
        self.walker[place] = 0
        self.walks[walker - 1] += 1


def work(state: Path, board: Board, walker: int) -> None:
    memory, me = open_memory(state), Lease("host", "boot", walker, walker)
    while not (board.over[0] and not memory.pending()):
        for row in memory.claim(me, time.time(), limit=1 + walker * 3):
            board.walk(NAMES.index(row.address), walker)
            memory.finish(row, me)


def test_two_processes_lose_nothing_and_never_walk_one_name_at_once(state: Path) -> None:
    memory, board = open_memory(state), Board()
    workers = [fork(lambda walker=walker: work(state, board, walker)) for walker in (1, 2)]  # type: ignore[misc]
    number, deadline = 0, time.monotonic() + 90
    while (number < WAKES or min(board.walks) < WALKS) and time.monotonic() < deadline:
        place, number = number * 7 % len(NAMES), number + 1
        board.wanted[place] += 1
        memory.wake([NAMES[place]], Trigger.PUSH)
    board.over[0] = 1
    for worker in workers:
        worker.join(90)
        assert worker.exitcode == 0
    assert list(board.faults) == [0, 0]
    assert list(board.seen) == list(board.wanted)
    assert memory.pending() == []
    assert min(board.walks) >= WALKS
    assert sum(board.walks) <= number


class Deadly(list[Address]):
    """A list whose reader is killed half-way."""

    def __iter__(self) -> Iterator[Address]:
        yield WEB
        os.kill(os.getpid(), signal.SIGKILL)


def killed(state: Path, action: Callable[[Memory], None]) -> None:
    process = fork(lambda: action(open_memory(state)))
    process.join(90)
    assert process.exitcode == -signal.SIGKILL


def test_a_step_that_is_killed_half_way_did_not_happen(state: Path) -> None:
    before = step(declared("web", "old"), commit="old", inputs=files("web/a.yaml"))
    open_memory(state).advance(before)
    after = Advance(
        followed=followed("new"),
        applications=[(declared(f"web-{number}", "new"), files("web/b.yaml")) for number in range(2000)],
        removed=["web"],
        wake=Deadly([WEB]),
    )
    killed(state, lambda memory: memory.advance(after))
    memory = open_memory(state)
    assert memory.followed(ESTATE) == before.followed
    assert memory.applications(ESTATE) == [before.applications[0][0]]
    assert memory.touched(ESTATE, ["web/a.yaml", "web/b.yaml"]) == [("web", files("web/a.yaml")[0])]
    assert memory.pending() == []
    after.wake = [WEB]
    memory.advance(after)
    assert len(memory.applications(ESTATE)) == 2000


def test_what_was_concluded_before_a_kill_is_there_and_its_rows_come_back(state: Path) -> None:
    walked = run()

    def walk_and_die(memory: Memory) -> None:
        memory.wake([WEB], Trigger.PUSH)
        memory.claim(this_process(), time.time(), 1)
        memory.begin(walked, None)
        memory.conclude(walked, standing())
        os.kill(os.getpid(), signal.SIGKILL)

    killed(state, walk_and_die)
    memory = open_memory(state)
    assert memory.known(WEB).run == walked
    assert memory.known(WEB).standing == standing()
    assert memory.claim(ME, time.time(), 1) == []
    assert memory.free_dead(this_process()) == 1
    assert len(memory.claim(ME, time.time(), 1)) == 1


def test_a_write_of_another_process_is_noticed(memory: Memory, state: Path) -> None:
    at_first = memory.moved()
    memory.wake([WEB], Trigger.PUSH)
    assert memory.moved() == at_first
    fork(lambda: open_memory(state).wake([WEB], Trigger.PUSH)).join(90)
    assert memory.moved() != at_first


def test_when_anybody_wrote_last_is_known_without_asking_the_memory(memory: Memory, state: Path) -> None:
    time.sleep(0.05)
    begun = time.time() - 0.02
    assert memory.written_at() < begun
    fork(lambda: open_memory(state).wake([WEB], Trigger.PUSH)).join(90)
    assert begun < memory.written_at() <= time.time() + 0.02


def test_processes_that_start_at_once_make_one_memory(state: Path) -> None:
    processes = [fork(lambda: open_memory(state).wake([WEB], Trigger.PUSH)) for _ in range(6)]
    for process in processes:
        process.join(90)
    assert [process.exitcode for process in processes] == [0] * 6
    assert open_memory(state).pending() == [WEB]
