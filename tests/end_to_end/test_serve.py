"""Serve, as a process: when it looks, what it answers, how it stops, and how commands and it get along."""

import os
import signal
import time

import pytest

from tests.end_to_end.estate import Estate, application, documents, eventually, target, thing
from tests.end_to_end.serving import (
    SELDOM,
    TRIGGER,
    answers,
    asked,
    children_of,
    generation,
    lines_of,
    log_of,
    processor_seconds,
    remembering,
    runs,
    shop,
)
from tests.testbed.git_servers import http_server, hung_server
from trueup.model.memory import Lease
from trueup.model.run import RunState, Trigger

TOKEN = "correct-horse-battery"
SOMEBODY = Lease("elsewhere", "", 1, 1)
A_LEASE = 45.0
"""Less than what a row would be held for if nobody noticed that its holder is dead, in seconds; much, for a machine that is busy."""

LISTENING = ("--listen", "127.0.0.1:0")


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    """The token of the trigger, as the operator sets it."""
    monkeypatch.setenv("TRUEUP_TRIGGER_TOKEN_ENV", "TOKEN_OF_THE_TRIGGER")
    monkeypatch.setenv("TOKEN_OF_THE_TRIGGER", TOKEN)
    return TOKEN


# ---------------------------------------------------------------------- when it looks


async def test_a_commit_is_found_by_looking_now_and_then(estate: Estate) -> None:
    estate.commit(shop("web"))
    with estate.serving():
        await eventually(lambda: estate.world().names() == ["Thing/web"])
        commit = estate.commit({"web/thing.yaml": documents(thing("web", size=2))})
        await eventually(lambda: estate.world().specification("Thing/web") == {"size": 2})
        await eventually(lambda: runs(estate)[0].state is RunState.SUCCEEDED)
    assert (runs(estate)[0].revision, runs(estate)[0].trigger, len(runs(estate))) == (commit, Trigger.POLL, 2)


async def test_the_pauses_between_two_looks_are_never_quite_the_same(estate: Estate) -> None:
    estate.commit(shop("web"))

    def looks() -> list[float]:
        seconds = [line["time"] for line in lines_of(estate) if line["message"] == "fetch done"]
        return [time.mktime(time.strptime(each[:19], "%Y-%m-%dT%H:%M:%S")) + float("0." + each[20:].rstrip("Z")) for each in seconds]

    with estate.serving("--log-level", "debug", "--log-format", "json"):
        await eventually(lambda: len(looks()) > 9)
    pauses = [later - earlier for earlier, later in zip(looks(), looks()[1:], strict=False)][1:]
    assert min(pauses) >= 0.18
    assert max(pauses) - min(pauses) > 0.005


# ---------------------------------------------------------------------- what it answers


async def test_a_push_is_applied_at_once(estate: Estate, token: str) -> None:
    estate.commit(shop("web"))
    with estate.serving(*SELDOM, *LISTENING):
        await answers(estate)
        await eventually(lambda: estate.world().names() == ["Thing/web"])
        estate.commit({"web/thing.yaml": documents(thing("web", size=2))})
        answer = asked(estate, TRIGGER, token, f'{{"url": "{estate.url}"}}'.encode())
        assert (answer.status, answer.document) == (202, {"woken": 1})
        await eventually(lambda: estate.world().specification("Thing/web") == {"size": 2})  # long before it looks by itself
    assert runs(estate)[0].trigger is Trigger.PUSH


async def test_a_push_elsewhere_wakes_nobody(estate: Estate, token: str) -> None:
    estate.commit(shop("web"))
    with estate.serving(*SELDOM, *LISTENING):
        await answers(estate)
        assert asked(estate, TRIGGER, token, b'{"url": "https://example.org/other.git"}').document == {"woken": 0}
        assert asked(estate, TRIGGER, token, b"").document == {"woken": 1}


async def test_only_who_has_the_token_may_wake_it(estate: Estate, token: str) -> None:
    estate.commit(shop("web"))
    with estate.serving(*SELDOM, *LISTENING):
        await answers(estate)
        assert [asked(estate, TRIGGER, wrong, b"").status for wrong in ("", "wrong", token + "x", token[:-1])] == [401] * 4
        assert token not in log_of(estate)


async def test_without_a_token_the_trigger_says_why_it_is_off(estate: Estate) -> None:
    estate.commit(shop("web"))
    with estate.serving(*SELDOM, *LISTENING):
        await answers(estate)
        answer = asked(estate, TRIGGER, "anything", b"")
    assert answer.status == 403
    assert "trigger.token_env" in answer.document["error"]


async def test_it_is_ready_once_it_has_read_its_repositories(estate: Estate) -> None:
    with estate.serving("--branch", "later", *LISTENING):
        await answers(estate)
        await eventually(lambda: "is empty" in asked(estate, "/readyz").body)
        assert (asked(estate, "/readyz").status, asked(estate, "/healthz").status) == (503, 200)
        estate.commit(shop("web"))
        estate.workplace.push("origin", "HEAD:refs/heads/later")
        await eventually(lambda: asked(estate, "/readyz").status == 200)


# ---------------------------------------------------------------------- how it stops


async def test_what_is_under_way_when_it_is_stopped_is_finished_by_the_next_one(estate: Estate) -> None:
    files = {"web/a.yaml": documents(*(thing(f"t{number}") for number in range(5)))}
    estate.commit({"trueup.yaml": documents(target(delay="700ms"), application()), **files})
    with estate.serving() as process:
        await eventually(lambda: len(estate.world().names()) >= 2)
        process.terminate()
        assert process.wait(90) == 0
    assert len(estate.world().names()) < 5
    with remembering(estate) as memory:
        rows = [memory.claim_one(address, SOMEBODY, time.time()) for address in memory.pending()]
        assert None not in rows  # nobody holds them any more
        memory.free(SOMEBODY)
    assert estate.trueup("apply").code == 0
    assert [record.entry.generation for record in estate.world().objects().values()] == [1] * 5
    [run] = runs(estate)
    assert (run.state, [outcome.state for outcome in run.outcomes]) == (RunState.SUCCEEDED, ["done"] * 5)


async def test_a_fetch_that_hangs_does_not_keep_it_from_stopping(estate: Estate) -> None:
    with hung_server() as port:
        estate.url = f"git://127.0.0.1:{port}/shop.git"
        with estate.serving() as process:
            await eventually(lambda: children_of(process))
            fetching = children_of(process)
            process.terminate()
            assert process.wait(90) == 0
    assert not [pid for pid in fetching if os.path.exists(f"/proc/{pid}")]  # noqa: PTH110


async def test_two_of_them_do_not_share_a_state_folder(estate: Estate) -> None:
    estate.commit(shop("web"))
    with estate.serving() as process:
        await eventually(lambda: estate.world().names())
        second = estate.trueup("serve", "--listen", "off")
        assert second.code == 1
        assert f"another serve (pid {process.pid})" in second.err
        assert "--state" in second.err
        assert process.poll() is None


async def test_after_a_kill_the_next_command_goes_on_at_once(estate: Estate) -> None:
    files = {"web/a.yaml": documents(*(thing(f"t{number}") for number in range(4)))}
    estate.commit({"trueup.yaml": documents(target(delay="300ms"), application()), **files})
    with estate.serving() as process:
        await eventually(lambda: len(estate.world().names()) >= 1)
        process.kill()
    begun = time.monotonic()
    assert estate.trueup("apply").code == 0
    assert time.monotonic() - begun < A_LEASE
    assert [record.entry.generation for record in estate.world().objects().values()] == [1] * 4
    assert [run.state for run in runs(estate)] == [RunState.SUCCEEDED]
    assert estate.trueup("apply").out.startswith("nothing to do")


async def test_after_a_kill_in_the_middle_of_a_fetch_the_next_command_goes_on_at_once(estate: Estate) -> None:
    estate.commit(shop("web"))
    with http_server(estate.workplace.origin.parent) as remote:
        estate.url = remote.url()
        remote.silent = True
        with estate.serving() as process:
            await eventually(lambda: remote.asked)
            assert children_of(process)
            process.kill()
        remote.silent = False
        begun = time.monotonic()
        assert estate.trueup("apply").code == 0
        assert time.monotonic() - begun < A_LEASE


async def test_a_serve_takes_over_what_a_killed_command_held(estate: Estate) -> None:
    estate.commit({"trueup.yaml": documents(target(delay="300ms"), application()), "web/a.yaml": documents(thing("a"), thing("b"))})
    with estate.serving(*SELDOM) as serving:
        await eventually(lambda: len(estate.world().names()) == 2)
        await eventually(lambda: runs(estate)[0].state is RunState.SUCCEEDED)
        estate.commit({"web/a.yaml": documents(thing("a", size=2), thing("b", size=2))})
        with estate.running("apply", "--yes") as command:
            await eventually(lambda: estate.world().specification("Thing/a") == {"size": 2})
            command.kill()
        await eventually(lambda: estate.world().specification("Thing/b") == {"size": 2})
        assert serving.poll() is None


# ---------------------------------------------------------------------- commands beside it


async def test_an_apply_beside_it_lets_it_walk_and_tells_its_run(estate: Estate) -> None:
    estate.commit(shop("web"))
    with estate.serving(*SELDOM):
        await eventually(lambda: estate.world().names() == ["Thing/web"])
        commit = estate.commit({"web/thing.yaml": documents(thing("web", size=2, healthyAfter="600ms"))})
        said = estate.trueup("apply", "-o", "json")
        log = log_of(estate)
    [run] = said.document["items"]
    assert (said.code, run["state"], run["revision"]) == (0, "succeeded", commit)
    assert log.count("run begins") == 2
    assert f"run={run['id']}" in log
    assert generation(estate, "web") == 2


async def test_a_command_goes_on_by_itself_when_the_serve_that_it_follows_dies(estate: Estate) -> None:
    estate.commit(shop("web", delay="1s"))
    with estate.serving(*SELDOM) as process:
        await eventually(lambda: estate.world().names() == ["Thing/web"])
        await eventually(lambda: runs(estate)[0].state is RunState.SUCCEEDED)
        estate.commit({"web/thing.yaml": documents(thing("web", size=2))})
        with estate.running("apply") as command:
            await eventually(lambda: runs(estate)[0].state is RunState.RUNNING)
            process.kill()
            assert command.wait(90) == 0
    assert (estate.world().specification("Thing/web"), generation(estate, "web")) == ({"size": 2}, 2)


async def test_what_is_approved_on_the_way_is_walked_by_the_command_itself(estate: Estate) -> None:
    estate.commit({"trueup.yaml": documents(target(), application(policy={"sync": "manual"})), "web/a.yaml": documents(thing("a"))})
    with estate.serving():
        await eventually(lambda: "held" in log_of(estate))
        said = estate.trueup("apply", "--yes")
    assert (said.code, estate.world().names()) == (0, ["Thing/a"])


async def test_status_and_drift_are_what_it_knows(estate: Estate) -> None:
    estate.commit(
        {"trueup.yaml": documents(target(), application(policy={"selfHeal": False})), "web/a.yaml": documents(thing("a", size=1))}
    )
    with estate.serving() as process:
        await eventually(lambda: estate.trueup("status").out.count("synced") == 1)
        process.send_signal(signal.SIGSTOP)
        estate.world().put(thing("a", size=7))
        assert "synced" in estate.trueup("status").out
        assert estate.trueup("drift").code == 0
        process.send_signal(signal.SIGCONT)
        await eventually(lambda: "outOfSync" in estate.trueup("status").out)
        said = estate.trueup("drift", "-o", "json")
    assert said.code == 2
    [drifted] = said.document["items"]
    assert (drifted["key"], drifted["changes"], drifted["by"]) == ("Thing/a", [{"path": "spec.size", "before": 7, "after": 1}], "somebody")


# ---------------------------------------------------------------------- what it costs


@pytest.mark.slow
async def test_an_idle_estate_costs_next_to_nothing(estate: Estate) -> None:
    names = [f"app{number}" for number in range(200)]
    estate.commit(shop(*names))
    with estate.serving("--poll", "30s") as process:
        await eventually(lambda: len(estate.world().names()) == 200)
        with remembering(estate) as memory:
            await eventually(lambda: len(memory.pending()) == 1)
        time.sleep(1)
        before = processor_seconds(process.pid)
        time.sleep(5)
        used = processor_seconds(process.pid) - before
    print(f"idle: {used:.2f} s of processor time in 5 s")
    assert used < 0.25
