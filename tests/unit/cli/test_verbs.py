"""What is asked of the engine, what is printed where, and with which exit code."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.unit.cli.answering import COMMIT, KEY, Answering, plan, run, status, trueup
from trueup.cli import apply
from trueup.cli.views import Views
from trueup.model.answer import RolledBack
from trueup.model.errors import DeclarationError, Fault, Held, Refused, TrueupError, Unreachable
from trueup.model.health import State
from trueup.model.memory import Drifted, Waiting
from trueup.model.plan import Hold, Verb
from trueup.model.run import Run, RunState, Status, Sync
from trueup.model.selection import Order, Rollback, Selection
from trueup.model.source import Repository

Captured = pytest.CaptureFixture[str]

HOLD = Hold("approval", "2 objects would be deleted")


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Somebody at a terminal, who answers these."""
    given: list[bool] = []
    monkeypatch.setattr(Views, "asks", True)
    monkeypatch.setattr(Views, "ask", lambda _self, _question: given.pop(0))
    return given


@pytest.mark.parametrize(("verbs", "code"), [([Verb.CREATE], 2), ([Verb.UNCHANGED], 0), ([], 0)])
def test_plan_exits_with_2_when_there_are_changes(verbs: list[Verb], code: int) -> None:
    assert trueup(Answering(plan=[plan(*verbs)]), "plan") == code


def test_plan_asks_for_what_is_meant(tmp_path: Path) -> None:
    engine = Answering()
    trueup(engine, "plan", "--app", "web", "--app", "api", "-l", "team=shop", "--revision", "v1")
    _, repository, selection, revision, tree = engine.asked[-1]
    assert (repository.url, revision, tree) == ("https://example.org/shop", "v1", None)
    assert selection == Selection(("web", "api"), (("team", "shop"),), everything=False)


@pytest.mark.parametrize(
    ("output", "start"), [("json", '{\n  "kind": "PlanList"'), ("markdown", "### Trueup plan"), ("text", "web on laptop")]
)
def test_plan_prints_in_three_formats(output: str, start: str, capsys: Captured) -> None:
    trueup(Answering(plan=[plan(Verb.CREATE)]), "plan", "-o", output)
    assert capsys.readouterr().out.startswith(start)


@pytest.mark.parametrize(
    ("runs", "code"),
    [
        ([], 0),
        ([run(RunState.SUCCEEDED)], 0),
        ([run(RunState.FAILED)], 1),
        ([run(RunState.ROLLED_BACK)], 1),
        ([run(RunState.HELD, hold=HOLD)], 3),
        ([run(RunState.HELD, hold=HOLD), run(RunState.FAILED, 2, application="api")], 1),
        ([run(RunState.SUPERSEDED), run(RunState.SUCCEEDED, 2)], 0),
        ([run(RunState.SUPERSEDED)], 1),
        ([run(RunState.RUNNING), run(RunState.SUCCEEDED)], 0),
        ([run(RunState.SUCCEEDED), Held("the branch was rewritten", kind="rewound")], 3),
        ([run(RunState.SUCCEEDED), DeclarationError([Fault("a.yaml", 1, 1, "wrong")])], 1),
        ([Unreachable("no answer")], 1),
    ],
)
def test_apply_exits_as_its_runs_ended(runs: list[Run | TrueupError], code: int, capsys: Captured) -> None:
    assert trueup(Answering(apply=runs), "apply", "-o", "json") == code
    captured = capsys.readouterr()
    assert json.loads(captured.out)["kind"] == "RunList"
    assert ("error: " in captured.err) == bool(code)


def test_apply_that_could_not_begin_never_says_that_there_was_nothing_to_do(capsys: Captured) -> None:
    assert trueup(Answering(apply=[Unreachable("no answer")]), "apply") == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "error: no answer\n")


def test_apply_passes_its_order_on() -> None:
    engine = Answering()
    trueup(engine, "apply", "--yes", "--no-wait", "--revision", "3f2a", "--all")
    _, _, selection, order = engine.asked[-1]
    assert (selection.everything, order.yes, order.wait, order.revision) == (True, True, False, "3f2a")


def test_apply_does_what_the_plan_in_a_file_says(tmp_path: Path, capsys: Captured) -> None:
    made = plan(Verb.CREATE)
    trueup(Answering(plan=[made]), "plan", "-o", "json")
    file = tmp_path / "plan.json"
    file.write_text(capsys.readouterr().out, encoding="utf-8")
    engine = Answering()
    assert trueup(engine, "apply", "--plan", str(file)) == 0
    _, _, selection, order = engine.asked[-1]
    assert selection == Selection(("web",), (), everything=True)
    assert (order.revision, order.digests) == (COMMIT, (("web", made.digest),))


ITEM = '{"application": "%s", "revision": "%s", "digest": "x"}'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "this is no plan"),
        ('{"kind": "RunList", "items": []}', "no PlanList"),
        (f'{{"kind": "PlanList", "items": [{ITEM % ("a", 1)}, {ITEM % ("b", 2)}]}}', "several revisions"),
        (f'{{"kind": "PlanList", "items": [{ITEM % ("a", "")}]}}', "no revision"),
    ],
)
def test_apply_refuses_a_file_that_is_no_plan_of_one_revision(text: str, told: str, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "plan.json").write_text(text, encoding="utf-8")
    engine = Answering()
    assert trueup(engine, "apply", "--plan", str(tmp_path / "plan.json")) == 64
    assert told in capsys.readouterr().err
    assert not engine.asked


def test_apply_of_an_empty_plan_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('{"kind": "PlanList", "items": []}', encoding="utf-8")
    engine = Answering()
    assert trueup(engine, "apply", "--plan", str(tmp_path / "plan.json")) == 0
    assert not engine.asked


@pytest.mark.parametrize("words", [["apply"], ["approve", "web"]])
def test_a_target_elsewhere_that_does_not_answer_keeps_nobody_from_deciding(
    words: list[str], answers: list[bool], capsys: Captured
) -> None:
    answers.append(False)
    held = plan(Verb.DELETE)
    runs = [msgspec.structs.replace(run(RunState.HELD, hold=HOLD), plan=held.digest)]
    assert trueup(Answering(apply=runs, waiting=[waiting(held.digest)], plan=[held, Unreachable("it does not answer")]), *words) == 3
    assert "File/delete" in capsys.readouterr().err
    assert not answers


@pytest.mark.parametrize(("answer", "approved"), [(True, [("approve", "web", "d" * 32)]), (False, [])])
def test_apply_asks_for_what_is_held_on_a_terminal(answer: bool, approved: list[object], answers: list[bool], capsys: Captured) -> None:
    answers.append(answer)
    engine = Answering(apply=[run(RunState.HELD, hold=HOLD)], plan=[plan(Verb.DELETE)])
    assert trueup(engine, "apply") == 3
    assert [asked for asked in engine.asked if asked[0] == "approve"] == approved
    assert sum(asked[0] == "apply" for asked in engine.asked) == 1 + len(approved)


class Approved(Answering):
    """One is held until it is asked for by its name, and another one cannot be reached."""

    async def apply(self, repository: Repository, selection: Selection, order: Order) -> AsyncIterator[Run]:
        if selection.names:
            yield run(RunState.SUCCEEDED, 2)
            return
        yield run(RunState.HELD, hold=HOLD)
        raise Unreachable("it does not answer", where="target away")


def test_what_stood_in_the_way_of_others_is_told_though_somebody_approves(answers: list[bool], capsys: Captured) -> None:
    answers.append(True)
    assert trueup(Approved(plan=[plan(Verb.DELETE)], approve=None), "apply") == 1
    assert "it does not answer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sync", "health", "code"),
    [
        (Sync.SYNCED, State.HEALTHY, 0),
        (Sync.OUT_OF_SYNC, State.MISSING, 0),
        (Sync.SYNCED, State.DEGRADED, 1),
        (Sync.FAILED, State.HEALTHY, 1),
        (Sync.HELD, State.HEALTHY, 3),
        (Sync.HELD, State.DEGRADED, 1),
    ],
)
def test_status_exits_as_things_stand(sync: Sync, health: State, code: int, capsys: Captured) -> None:
    assert trueup(Answering(statuses=[status(sync, health, "why")]), "status") == code
    captured = capsys.readouterr()
    assert captured.out.startswith("APPLICATION")
    assert ("error: web " in captured.err) == bool(code)


def test_drift_exits_with_2_when_there_is_any(capsys: Captured) -> None:
    assert trueup(Answering(), "drift") == 0
    assert trueup(Answering(drift=[(status(Sync.OUT_OF_SYNC, State.HEALTHY), Drifted(key=KEY))]), "drift", "-o", "json") == 2
    assert '"DriftList"' in capsys.readouterr().out


def test_drift_that_could_not_be_looked_at_is_told_with_what_could(capsys: Captured) -> None:
    found = (status(Sync.OUT_OF_SYNC, State.HEALTHY), Drifted(key=KEY))
    assert trueup(Answering(drift=[found, Refused("no room")]), "drift") == 1
    captured = capsys.readouterr()
    assert str(KEY) in captured.out
    assert "error: no room" in captured.err
    assert trueup(Answering(drift=[Refused("no room")]), "drift") == 1
    assert capsys.readouterr().out == ""


def test_history_says_how_to_go_on(capsys: Captured) -> None:
    engine = Answering(history=[run(RunState.SUCCEEDED, 2), run(RunState.SUCCEEDED, 1)])
    assert trueup(engine, "history", "web", "--limit", "2", "--before", "9", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["next"] == f"{1:020}"
    assert engine.asked[-1][2:] == ("web", "9", 2)


def test_why_takes_an_object_and_a_field(capsys: Captured) -> None:
    engine = Answering()
    assert trueup(engine, "why", "web", "File/x", "spec.mode", "--depth", "7", "-o", "json") == 0
    assert engine.asked[-1] == ("why", "web", "File/x", "spec.mode", 7)
    assert json.loads(capsys.readouterr().out)["kind"] == "Why"


def test_render_is_yaml_that_says_where_it_comes_from(capsys: Captured) -> None:
    assert trueup(Answering(), "render", "--app", "web") == 0
    assert capsys.readouterr().out == '---\n# web: web.yaml:3, 3f2a9c1\napiVersion: v1\ndata:\n  "on": "yes"\n'


def test_logs_never_act_on_the_terminal(capsys: Captured) -> None:
    engine = Answering(logs=["plain\ttab", "\x1b[2Jgone\rover"])
    assert trueup(engine, "logs", "web", "Service/web", "-f") == 0
    assert capsys.readouterr().out == "plain\ttab\n\\x1b[2Jgone\\rover\n"
    assert engine.asked[-1] == ("logs", "web", "Service/web", True)


def test_rollback_says_what_it_did_or_how_to_finish(capsys: Captured) -> None:
    engine = Answering()
    assert trueup(engine, "rollback", "web", "--to", "3f2a", "--reason", "bad", "--with-others", "--pull-request") == 0
    request = engine.asked[-1][1]
    assert isinstance(request, Rollback)
    assert (request.to, request.reason, request.with_others, request.pull_request) == ("3f2a", "bad", True, True)
    refused = RolledBack(application="web", bad="b", good="g", message="the push was refused: merge it by hand")
    assert trueup(Answering(rollback=refused), "rollback", "web") == 3
    assert "merge it by hand" in capsys.readouterr().out


def test_hold_and_release(capsys: Captured) -> None:
    engine = Answering(release=[Waiting(repository="r", application="web", kind="paused")])
    assert trueup(engine, "hold", "web", "--reason", "incident") == 0
    assert engine.asked[-1] == ("pause", "web", "incident")
    assert trueup(engine, "release", "web") == 0
    assert trueup(engine, "release", "--repository") == 0
    assert engine.asked[-1] == ("release", "")
    assert trueup(engine, "release") == 64
    assert trueup(engine, "release", "web", "--repository") == 64


def waiting(digest: str, kind: str = "approval", application: str = "web") -> Waiting:
    return Waiting(repository="r", application=application, kind=kind, digest=digest)


@pytest.mark.parametrize(
    ("holds", "words", "approved"),
    [
        ([waiting("aa1")], ["web"], "aa1"),
        ([waiting("aa1"), waiting("bb2")], ["web", "--digest", "bb"], "bb2"),
        ([waiting("aa1"), waiting("bb2")], ["web"], None),
        ([waiting("aa1")], ["web", "--digest", "cc"], None),
        ([waiting("", "paused")], ["web"], None),
        ([waiting("aa1"), waiting("", "removal", "")], ["--repository"], ""),
    ],
)
def test_approve_needs_a_digest_unless_only_one_waits(
    holds: list[Waiting], words: list[str], approved: str | None, capsys: Captured
) -> None:
    engine = Answering(waiting=holds)
    assert trueup(engine, "approve", *words) == (64 if approved is None else 0)
    given = [asked[2] for asked in engine.asked if asked[0] == "approve"]
    assert given == ([] if approved is None else [approved])


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 3)])
def test_approve_shows_the_plan_and_asks_on_a_terminal(answer: bool, code: int, answers: list[bool], capsys: Captured) -> None:
    answers.append(answer)
    made = plan(Verb.DELETE)
    engine = Answering(waiting=[waiting(made.digest)], plan=[made])
    assert trueup(engine, "approve", "web") == code
    assert any(asked[0] == "approve" for asked in engine.asked) is answer
    assert "-   File/delete" in capsys.readouterr().err


def test_check_tells_every_fault_and_works_where_no_clone_is(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "trueup.yaml").write_text("x\n", encoding="utf-8")
    engine = Answering(check=[Fault("trueup.yaml", 1, 1, "wrong", "write it right"), Fault("b.yaml", 2, 0, "also")])
    assert trueup(engine, "check", str(tmp_path), "-o", "json") == 1
    captured = capsys.readouterr()
    assert [item["file"] for item in json.loads(captured.out)["items"]] == ["trueup.yaml", "b.yaml"]
    assert captured.err == "error: wrong\n  --> trueup.yaml:1:1\n\nhint: write it right\n\nerror: also\n  --> b.yaml:2\n"
    _, tree, path = engine.asked[-1]
    assert (tree.read("trueup.yaml"), path) == (b"x\n", "")
    assert trueup(Answering(), "check", str(tmp_path)) == 0
    assert capsys.readouterr().err == "no faults found\n"
    (tmp_path / "empty").mkdir()
    assert trueup(Answering(), "check", str(tmp_path / "empty")) == 0
    assert capsys.readouterr().err.startswith("nothing is declared in ")
    assert trueup(Answering(), "check", str(tmp_path / "nothing")) == 64


def test_a_serve_whose_token_cannot_be_read_begins_nothing(tmp_path: Path, capsys: Captured) -> None:
    settings = tmp_path / "trueup.toml"
    settings.write_text('listen = "127.0.0.1:0"\nstate = "state"\ntrigger = {token_file = "nothing"}\n', encoding="utf-8")
    assert trueup(Answering(), "serve", "--config", str(settings)) == 1
    assert capsys.readouterr().err == (
        f"error: a secret cannot be read: No such file or directory\n  --> {tmp_path}/nothing\n\n"
        "hint: check the file's name and who may read it\n"
    )
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("verb", ["plan", "apply", "status"])
def test_where_nothing_is_declared_nothing_is_as_git_says(verb: str, capsys: Captured) -> None:
    assert trueup(Answering(remembered=[]), verb, "--path", "shop") == 0
    assert capsys.readouterr().out.startswith("no application is declared in https://example.org/shop, below shop: ")
    if verb != "status":
        assert trueup(Answering(), verb) == 0
        assert capsys.readouterr().out == "nothing to do: every application is as Git says\n"


class Patient(Answering):
    """Nothing comes of its apply until the one who waits has looked a second time."""

    async def apply(self, repository: Repository, selection: Selection, order: Order) -> AsyncIterator[Run]:
        while self.answers["remembered"]:
            await asyncio.sleep(0.001)
        yield run(RunState.SUCCEEDED)

    async def remembered(self, repository: Repository, selection: Selection) -> list[Status]:
        statuses: list[Status] = self.answers["remembered"].pop()
        return statuses


def test_who_waits_is_told_once_for_what(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(apply, "SILENCE", 0.001)
    waits = [status(Sync.UNKNOWN, State.UNKNOWN, "the engine does not answer"), status(Sync.HELD, State.HEALTHY, "paused")]
    assert trueup(Patient(remembered=[waits, waits]), "apply") == 0
    told = capsys.readouterr().err
    assert told.startswith("web: unknown: the engine does not answer\nweb: applying")
    assert "paused" not in told


@pytest.mark.parametrize(("now", "code"), [(State.DEGRADED, 1), (State.HEALTHY, 0)])
def test_what_a_serve_tried_already_is_told_as_it_stands_now(now: State, code: int, capsys: Captured) -> None:
    engine = Answering(remembered=[status(Sync.SYNCED, State.DEGRADED)], statuses=[status(Sync.SYNCED, now, "it ended")])
    assert trueup(engine, "apply") == code
    told = capsys.readouterr()
    assert ("error: web is degraded: it ended" in told.err) is bool(code)
    assert ("nothing to do" in told.out) is not bool(code)


def test_a_history_of_nothing_says_whose(capsys: Captured) -> None:
    assert trueup(Answering(), "history", "wbe") == 0
    assert trueup(Answering(), "history") == 0
    assert capsys.readouterr().out == "no runs of wbe are remembered\nno runs are remembered\n"


def test_data_goes_to_standard_output_and_everything_else_to_standard_error(capsys: Captured) -> None:
    assert trueup(Answering(apply=[run(RunState.SUCCEEDED)]), "apply") == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("APPLICATION")
    assert captured.err == "web: applying 3f2a9c1 to laptop\nweb: succeeded\n"
