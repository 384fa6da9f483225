"""No value of a secret in anything that Trueup says, keeps or starts, whatever the value looks like: a property over every output."""

import base64
import contextlib
import io
import json
import logging
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.components import missing
from tests.end_to_end.estate import Estate, documents
from tests.end_to_end.kubernetes.test_walk import Place, config_map
from tests.testbed import golang, programs
from tests.testbed.kubernetes.cluster import Cluster
from trueup.assembly import assemble
from trueup.cli.program import main
from trueup.model.manifest import Body

# A mark on both sides: no value is by accident a part of something else that is said.
VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), min_size=3, max_size=30).map(lambda text: f"~{text}§")
# In a walk each Secret gets a value from Git, one by hand, and another from Git. A walk takes seconds, so it has many; the first walk of
# the two is hypothesis's simplest.
SECRETS = 40
BATCH = st.lists(VALUES, min_size=3 * SECRETS, max_size=3 * SECRETS, unique=True)


def forms(value: str) -> set[str]:
    """What a value may look like: itself, base64, as JSON and Python write it."""
    return {
        value,
        base64.b64encode(value.encode()).decode(),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        ascii(value)[1:-1],
    }


class Overheard:
    """Everything that is said, from inside one process: what commands print, what is logged, spans, and every process that is started."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.log = io.StringIO()
        self.spans = InMemorySpanExporter()
        self.processes: set[bytes] = set()
        self._tracers = TracerProvider()
        self._tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self._logger = logging.Logger("overheard", logging.DEBUG)  # noqa: LOG001 - one of its own: nothing global changes
        self._logger.addHandler(logging.StreamHandler(self.log))
        self._looking = True

    def trueup(self, *words: str) -> tuple[int, str]:
        """A command as it is run, only in this process."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(words, lambda given, *_: assemble(given, self._logger, None, self._tracers))
        text = out.getvalue() + err.getvalue()
        self.said.append(text)
        return code, text

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Look all the time at the processes of this machine that were not there before."""
        thread = threading.Thread(target=self._look, args=({folder.name for folder in Path("/proc").iterdir()},))
        thread.start()
        try:
            yield
        finally:
            self._looking = False
            thread.join()

    def everything(self) -> str:
        """All of it as one text."""
        spans = [span.to_json() for span in self.spans.get_finished_spans()]
        processes = [process.decode(errors="replace") for process in self.processes]
        return "\n".join([*self.said, self.log.getvalue(), *spans, *processes])

    def _look(self, before: set[str]) -> None:
        while self._looking:
            for folder in Path("/proc").iterdir():
                if folder.name.isdigit() and folder.name not in before:
                    for name in ("cmdline", "environ"):
                        with contextlib.suppress(OSError):
                            self.processes.add((folder / name).read_bytes())
            time.sleep(0.02)


def secret(number: int, value: str, kind: str = "Opaque") -> Body:
    encoded = base64.b64encode(value.encode()).decode()
    fields = {"stringData": {"password": value}, "data": {"again": encoded}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"login-{number}"}, "type": kind, **fields}


def chart(value: str) -> dict[str, str]:
    template = "apiVersion: v1\nkind: Secret\nmetadata: {name: of-chart}\nstringData: {password: {{ .Values.password | toJson }}}\n"
    return {
        "chart/Chart.yaml": "apiVersion: v2\nname: chart\nversion: 1.0.0\n",
        "chart/values.yaml": documents({"password": value}),
        "chart/templates/secret.yaml": template,
    }


def kustomization(value: str) -> dict[str, str]:
    generator = {"secretGenerator": [{"name": "of-kustomize", "files": ["password"]}]}
    return {"kustom/kustomization.yaml": documents(generator), "kustom/password": value}


def written(place: Place, values: list[str]) -> dict[str, Any]:
    """The files of one commit."""
    web = [*(secret(number, value) for number, value in enumerate(values)), config_map("page")]
    return {"web/all.yaml": documents(*web), **chart(values[0]), **kustomization(values[1])}


@pytest.fixture
def place(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    try:
        monkeypatch.setenv("TRUEUP_RENDER_HELM", str(programs.helm()))
        monkeypatch.setenv("TRUEUP_RENDER_KUSTOMIZE", str(programs.kustomize()))
    except golang.Missing as error:
        missing(str(error))
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    namespace = f"secret-{time.time_ns() % 10**9}"
    cluster.namespace(namespace)
    return Place(cluster, Estate(tmp_path), namespace)


def held(folder: Path) -> bytes:
    """Every byte below a folder, the mirrors of repositories aside: those hold what Git holds."""
    return b"\n".join(file.read_bytes() for file in folder.rglob("*") if file.is_file() and "mirrors" not in file.parts)


@settings(
    max_examples=2,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(BATCH)
def test_no_value_is_said_kept_or_passed_to_a_program(place: Place, batch: list[str]) -> None:
    estate, overheard = place.estate, Overheard()
    first, second, third = batch[:SECRETS], batch[SECRETS : 2 * SECRETS], batch[2 * SECRETS :]

    def trueup(*words: str) -> str:
        verb, *more = words
        code, text = overheard.trueup(verb, "--repo", estate.url, "--state", str(estate.state), *more)
        # What else went wrong would hide a leak.
        assert code in (0, 2), text
        return text

    names = [place.application(name) for name in ("web", "chart", "kustom")]
    declared = documents(*place.declarations(*names))
    with overheard.listening():
        estate.commit({"trueup.yaml": declared, **written(place, first)})
        for output in ("text", "json", "markdown"):
            trueup("plan", "-o", output)
        trueup("apply", "-o", "json")
        for number, value in enumerate(third):
            place.patch("secrets", f"login-{number}", {"stringData": {"password": value}})
        assert trueup("drift", "-o", "json").count("(secret)") >= len(third)
        trueup("why", "web", "Secret/login-0", "-o", "json")
        trueup("why", "web", "Secret/login-1", "data.password")
        estate.commit(written(place, second))
        for words in ("plan -o json", "plan -o markdown", "apply --debug", "render -o yaml", "render -o json", "status -o json"):
            trueup(*words.split())
        for words in ("history -o json", "plan --all", "drift"):
            trueup(*words.split())
        bad = {**secret(0, first[0], "kubernetes.io/tls"), "data": {"again": first[1]}}
        estate.commit({"web/all.yaml": documents(bad)})
        with pytest.raises(AssertionError, match="Secret"):
            trueup("plan")
        trueup("status", "-o", "json")
    everything, kept = overheard.everything(), held(estate.state) + held(estate.folder / "tmp")
    assert "/helm" in everything
    assert b"SQLite format 3" in kept
    values = {form for value in batch for form in forms(value)}
    assert not [form for form in values if form in everything]
    assert not [form for form in values if form.encode() in kept]
