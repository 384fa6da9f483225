"""What happens is told: in logs, in figures, and as one trace for each run."""

import json
import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.end_to_end.estate import Estate, application, documents, eventually, target, thing
from tests.end_to_end.serving import answers, asked, lines_of, log_of, runs, shop
from tests.testbed.collector import Collector, Span, collector
from tests.testbed.git_servers import hung_server
from trueup.model.run import RunState

WALK = {"render", "plan", "guard", "apply", "observe", "report"}
REPOSITORY = {"fetch", "discover"}


@pytest.fixture
def quick_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send them soon."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")


# ---------------------------------------------------------------------- logs


async def test_every_line_of_a_walk_says_what_it_is_about(estate: Estate) -> None:
    commit = estate.commit(shop("web"))
    with estate.serving("--log-format", "json", "--log-level", "debug"):
        await eventually(lambda: runs(estate)[0].state is RunState.SUCCEEDED)
    [run] = runs(estate)
    about = {"application": "web", "target": "here", "revision": commit, "run": run.id}
    lines = [line for line in lines_of(estate) if line.get("run") == run.id]
    assert {line["message"] for line in lines} >= {"run begins", "create done", "run succeeded", *(f"{station} done" for station in WALK)}
    for line in lines:
        assert about.items() <= line.items()
        assert {"time", "level"} <= line.keys()
    assert [line["object"] for line in lines if line["message"] == "create done"] == ["Thing/web"]
    followed = [line for line in lines_of(estate) if line["message"] == "followed"]
    assert [(line["revision"], line["touched"], line["repository"]) for line in followed] == [(commit, 1, estate.repository.identity)]


async def test_a_log_for_people_says_the_same_on_one_line_each(estate: Estate) -> None:
    commit = estate.commit({**shop("web"), "web/thing.yaml": documents(thing("web", refuse="no\nline break\x1b[31m"))})
    with estate.serving():
        await eventually(lambda: "refused" in log_of(estate))
    begins = [line for line in log_of(estate).splitlines() if "run begins" in line]
    assert f"application=web target=here revision={commit[:7]} run={runs(estate)[0].id}" in begins[0]
    assert "\x1b" not in log_of(estate)
    assert all(line[2] == ":" for line in log_of(estate).splitlines())


# ---------------------------------------------------------------------- figures


async def test_the_figures_are_read_by_prometheus_and_are_right(estate: Estate) -> None:
    files = shop("web", "api", "paused")
    estate.commit({**files, "api/thing.yaml": documents(thing("api", health="degraded"))})
    with estate.serving("--listen", "127.0.0.1:0"):
        await answers(estate)
        await eventually(lambda: len({run.application for run in runs(estate) if run.state is not RunState.RUNNING}) == 3)
        estate.world().take("Thing/web")
        await eventually(lambda: estate.world().names() == ["Thing/api", "Thing/paused", "Thing/web"])
        await eventually(lambda: len(runs(estate)) == 4)
        await eventually(lambda: "trueup_queue_rows 0.0" in asked(estate, "/metrics").body)
        text = asked(estate, "/metrics").body
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

    def figure(name: str, **labels: str) -> float:
        return found[(name, *sorted(labels.items()))]

    assert figure("trueup_runs_total", state="succeeded", trigger="poll") == 2
    assert figure("trueup_runs_total", state="failed", trigger="poll") == 1
    assert figure("trueup_runs_total", state="succeeded", trigger="drift") == 1
    assert figure("trueup_actions_total", verb="create", state="done") == 4
    assert figure("trueup_applications", sync="synced", health="healthy") == 2
    assert figure("trueup_applications", sync="synced", health="degraded") == 1
    assert figure("trueup_drift_total", healed="true") == 1
    assert figure("trueup_renders_total") == 3
    assert figure("trueup_fetches_total", result="done") >= 1
    for station in WALK | REPOSITORY:
        assert figure("trueup_stage_seconds_count", stage=station) >= 1, station


async def test_what_fails_is_counted_by_its_stage(estate: Estate) -> None:
    with estate.serving("--listen", "127.0.0.1:0"):  # the repository is empty
        await answers(estate)
        await eventually(lambda: 'trueup_stage_failures_total{stage="fetch"}' in asked(estate, "/metrics").body)
        assert 'trueup_fetches_total{result="failed"}' in asked(estate, "/metrics").body


# ---------------------------------------------------------------------- traces


def spans_of(kept: Collector, run: str) -> list[Span]:
    return [span for span in kept.spans if span.attributes.get("trueup.run") == run]


@pytest.mark.usefixtures("quick_spans")
async def test_a_run_is_one_trace_also_when_it_waits(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = estate.commit(
        shop("api") | {"web/a.yaml": documents(thing("a", healthyAfter="700ms"), thing("b", 1)), "w.trueup.yaml": documents(application())}
    )
    with collector() as kept:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", kept.endpoint)
        with estate.serving():
            await eventually(lambda: [run.state for run in runs(estate)] == [RunState.SUCCEEDED] * 2)
    run, other = runs(estate, "web")[0], runs(estate, "api")[0]
    spans = spans_of(kept, run.id)
    assert {span.name for span in spans} == WALK | {"walk"}
    assert len([span for span in spans if span.name == "walk"]) >= 2  # it came back
    assert len({span.trace for span in spans}) == 1
    assert {span.trace for span in spans}.isdisjoint({span.trace for span in spans_of(kept, other.id)})
    about = {"trueup.application": "web", "trueup.target": "here", "trueup.revision": commit, "trueup.run": run.id}
    assert all(about.items() <= span.attributes.items() for span in spans)
    assert {span.name for span in kept.spans if span.trace not in {each.trace for each in spans}} >= REPOSITORY
    assert kept.service == "trueup"


@pytest.mark.usefixtures("quick_spans")
async def test_a_run_that_goes_on_after_a_kill_is_still_one_trace(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    estate.commit(
        {"trueup.yaml": documents(target(delay="900ms"), application()), "web/a.yaml": documents(thing("a"), thing("b", 1), thing("c", 2))}
    )
    with collector() as kept:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", kept.endpoint)
        with estate.serving() as process:
            await eventually(lambda: "Thing/b" in estate.world().names() and [span for span in kept.spans if span.name == "apply"])
            process.kill()
        before = len(kept.spans)
        with estate.serving():
            await eventually(lambda: [run.state for run in runs(estate)] == [RunState.SUCCEEDED])
        after = kept.spans[before:]
    [run] = runs(estate)
    assert {span.trace for span in spans_of(kept, run.id)} == {span.trace for span in after if span.attributes.get("trueup.run") == run.id}
    assert len({span.trace for span in spans_of(kept, run.id)}) == 1


@pytest.mark.usefixtures("quick_spans")
async def test_a_run_that_is_overtaken_and_the_one_that_follows_are_two_traces(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    estate.commit({"trueup.yaml": documents(target(), application()), "web/a.yaml": documents(thing("a", healthyAfter="1h"))})
    with collector() as kept:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", kept.endpoint)
        with estate.serving():
            await eventually(lambda: runs(estate)[0].state is RunState.RUNNING)
            estate.commit({"web/a.yaml": documents(thing("a"))})
            await eventually(lambda: [run.state for run in runs(estate)] == [RunState.SUCCEEDED, RunState.SUPERSEDED])
    second, first = runs(estate)
    assert {span.trace for span in spans_of(kept, first.id)}.isdisjoint({span.trace for span in spans_of(kept, second.id)})
    assert {span.name for span in spans_of(kept, second.id)} >= {"plan", "apply", "observe"}
    assert all(span.attributes["trueup.revision"] == second.revision for span in spans_of(kept, second.id))


@pytest.mark.usefixtures("quick_spans")
async def test_a_collector_that_does_not_answer_is_nobodys_trouble(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    estate.commit(shop("web"))
    with hung_server() as port:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        with estate.serving("--log-format", "json") as process:
            await eventually(lambda: runs(estate)[0].state is RunState.SUCCEEDED)
            process.terminate()
            assert process.wait(25) == 0  # the SDK alone would wait longer
    for line in log_of(estate).splitlines():
        json.loads(line)


async def test_a_collector_that_refuses_is_told_as_everything_else_is(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    estate.commit(shop("web"))
    with estate.serving("--log-format", "json"):
        await eventually(lambda: [line for line in lines_of(estate) if "span" in line["message"].lower()])
    for line in log_of(estate).splitlines():
        assert json.loads(line)["level"] in ("info", "warning", "error")


def test_a_command_makes_no_spans(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    estate.commit(shop("web"))
    with collector() as kept:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", kept.endpoint)
        assert estate.trueup("apply").code == 0
    assert kept.spans == []
