"""Strangers' charts, kustomizations and Jsonnet: what they try is refused, told with a place, and hurts no other application."""

import os
import socket
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.components import missing
from tests.end_to_end.estate import Estate, Files, application, documents, target, thing
from tests.testbed import programs
from tests.testbed.golang import Missing
from trueup.toolkit.confine import Bounds, Confinement

THING = "apiVersion: memory.trueup.dev/v1\nkind: Thing\nmetadata: {name: a}\nspec:\n  said: %s\n"
CHART = {"bad/Chart.yaml": "apiVersion: v2\nname: bad\nversion: 1.0.0\n"}
GOOD = {"good/a.yaml": documents(thing("good"))}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The real programs, with little memory and time."""
    monkeypatch.setattr(Confinement.__init__, "__defaults__", (False, SMALL, lambda missing: None))
    try:
        return {"render": {"confine": "require", "helm": str(programs.helm()), "kustomize": str(programs.kustomize())}}
    except Missing as error:
        missing(str(error))


SMALL = Bounds(memory=300 * 1024**2, deadline=6.0)


async def refusal(estate: Estate, settings: dict[str, Any], files: Files) -> str:
    """Why the application `bad` fails, beside which `good` is applied."""
    estate.commit({"trueup.yaml": documents(target(), application("bad"), application("good")), **GOOD, **files})
    async with estate.operator(**settings) as operator:
        await operator.apply()
        assert estate.world().names() == ["Thing/good"]
        return (await operator.status("bad")).message


@pytest.mark.parametrize(
    ("template", "told", "place"),
    [
        ("{{ range until 200000000 }}x{{ end }}", "helm was killed|helm took too long", "bad/Chart.yaml"),
        ('{{ repeat 2000000000 "a: b" }}', "helm was killed: it needs too much memory or time", "bad/Chart.yaml"),
        (
            '{{ define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}',
            "rendering template has a nested reference name",
            "bad/templates",
        ),
        ('{{ tpl "{{ fail `no` }}" . }}', "no", "bad/templates/a.yaml:1"),
        (THING % '{{ .Files.Get "/etc/passwd" | len | fail }}', "wrong type|expected string", "bad/templates/a.yaml"),
    ],
)
async def test_a_chart_that_takes_too_much_or_goes_in_circles(
    estate: Estate, settings: dict[str, Any], template: str, told: str, place: str
) -> None:
    message = await refusal(estate, settings, {**CHART, "bad/templates/a.yaml": template})
    assert any(each in message for each in told.split("|")), message
    assert message.startswith(place)


async def test_a_chart_reads_no_file_asks_no_host_and_looks_up_no_object(estate: Estate, settings: dict[str, Any]) -> None:
    asked = '{{ .Files.Get "/etc/passwd" }}{{ .Files.Get "../../etc/passwd" }}{{ .Files.Get "../good/a.yaml" }}'
    asked += '{{ getHostByName "localhost" }}{{ lookup "v1" "Secret" "kube-system" "" | toJson }}'
    template = THING % f"'{asked}'"
    estate.commit({"trueup.yaml": documents(target(), application("bad")), **CHART, "bad/templates/a.yaml": template})
    async with estate.operator(**settings) as operator:
        await operator.apply()
        assert operator.problem is None
    assert estate.world().specification("Thing/a") == {"said": "{}"}


EXECUTED = """\
apiVersion: example.org/v1
kind: Evil
metadata:
  name: evil
  annotations: {config.kubernetes.io/function: "exec: {path: ./evil.sh}"}
"""
CONTAINER = EXECUTED.replace("exec: {path: ./evil.sh}", "container: {image: example.org/evil}")
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    ("kustomization", "extra", "told"),
    [
        ("generators: [evil.yaml]\n", EXECUTED, "bad/"),
        ("transformers: [evil.yaml]\nresources: [a.yaml]\n", CONTAINER, "bad/"),
        ("resources: [evil.yaml]\n", BOMB, "bad/evil.yaml:"),
        ("resources: [/etc/passwd]\n", "", "bad/kustomization.yaml:1: `/etc/passwd` is an absolute path"),
        ("resources: [../../../etc/passwd]\n", "", "bad/kustomization.yaml:1: `../../../etc/passwd` leaves the repository"),
        ("configMapGenerator:\n- name: a\n  files: [a=/etc/passwd]\n", "", "bad/kustomization.yaml:2: `/etc/passwd` is an absolute path"),
        ("resources: ['http://127.0.0.1:1/a.yaml']\n", "", "bad/kustomization.yaml:1: `http://127.0.0.1:1/a.yaml` lies outside"),
        ("helmCharts: [{name: a, repo: 'http://127.0.0.1:1'}]\n", "", "bad/kustomization.yaml:1: the version of the chart `a`"),
        ("openapi: {path: /etc/passwd}\n", "", "bad/kustomization.yaml:1: `/etc/passwd` is an absolute path"),
        ("resources: [.]\n", "", "cycle detected"),
    ],
)
async def test_a_kustomization_that_reaches_out(
    estate: Estate, settings: dict[str, Any], kustomization: str, extra: str, told: str
) -> None:
    files: Files = {"bad/kustomization.yaml": kustomization, "bad/evil.yaml": extra, "bad/evil.sh": "#!/bin/sh\ntouch /tmp/evil\n"}
    message = await refusal(estate, settings, {**files, "bad/a.yaml": documents(thing("a"))})
    assert told in message, message
    assert message.startswith("bad/")
    assert not Path("/tmp/evil").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("importstr '/etc/passwd'", "bad/a.jsonnet:1: `/etc/passwd` is an absolute path"),
        ("importstr '../../../../etc/passwd'", "bad/a.jsonnet:1: `../../../../etc/passwd` leaves the repository"),
        ("local f(x) = f(x + 1) tailstrict; f(0)", "bad/a.jsonnet:1: jsonnet"),
        ("std.length([x for x in std.range(0, 1000000000) if x < 0])", "bad/a.jsonnet:1: jsonnet"),
        ("std.repeat('abcdefgh', 500000000)", "bad/a.jsonnet:1: jsonnet"),
    ],
)
async def test_jsonnet_that_reaches_out_or_takes_too_much(estate: Estate, settings: dict[str, Any], text: str, told: str) -> None:
    assert told in await refusal(estate, settings, {"bad/a.jsonnet": text})


ATTACK = """\
#!/bin/bash
[ "$1" = version ] && echo v5.0.0 && exit
exec 2>/dev/null
out=""
for file in /etc/passwd {state}/state.db {root}/work/clone/good/a.yaml /proc/1/environ; do [ -r $file ] && out="$out read-$file"; done
echo gone >{root}/written && out="$out wrote"
(exec 3<>/dev/tcp/127.0.0.1/{port}) && out="$out talked"
kill -0 {pid} && out="$out signalled"
env | grep -q OPEN_SESAME && out="$out environment"
printf 'apiVersion: memory.trueup.dev/v1\\nkind: Thing\\nmetadata: {{name: a}}\\nspec: {{said: "%s"}}\\n' "$out"
"""


async def test_a_program_that_was_taken_over_reaches_nothing(
    estate: Estate, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPEN_SESAME", "secret")
    program = estate.folder / "kustomize"
    with socket.create_server(("127.0.0.1", 0)) as server:
        facts = {"state": estate.state, "root": estate.folder, "port": server.getsockname()[1], "pid": os.getpid()}
        program.write_text(ATTACK.format(**facts), encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        free = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
        assert all(word in free for word in ("read-/etc/passwd", "wrote", "talked", "signalled", "environment"))
        (estate.folder / "written").unlink()
        estate.commit({"trueup.yaml": documents(target(), application("bad")), "bad/kustomization.yaml": "namePrefix: a-\n"})
        async with estate.operator(render={**settings["render"], "kustomize": str(program)}) as operator:
            await operator.apply()
            assert operator.problem is None
    assert not estate.world().specification("Thing/a")["said"]
    assert not (estate.folder / "written").exists()
