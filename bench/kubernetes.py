"""The figures of Kubernetes, as a table: `make bench-kubernetes`. Nothing else should run beside it.

A cluster of the test bed, and the `trueup` program as it is installed. kubectl gets the same objects in the same run: ratios, not seconds,
are what can be compared with other machines.
"""

import argparse
import http.client
import json
import os
import shutil
import ssl
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from bench.estate import name
from bench.requests import WRITES, asked, since, told
from bench.walk import TICKS, Clone, Rows, Serve, idle, serving, tell
from tests.testbed import programs
from tests.testbed.kubernetes.cluster import Cluster
from tests.testbed.kubernetes.ledger import Ledger

NAMESPACE = "bench"
BESIDE = "bench-kubectl"
OTHERS = "bench-others"
PATIENCE = 3600.0
STAGES = ("fetch", "discover", "render", "plan", "apply", "health")
PARTS = ("cold", "again", "one", "hand")

OBJECTS = """\
apiVersion: v1
kind: ServiceAccount
metadata: {{name: {name}, labels: {{touched: "{value}"}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, annotations: {{example.org/touched: "{value}"}}}}
spec:
  replicas: 0
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{serviceAccountName: {name}, containers: [{{name: web, image: "shop/web:1.0", ports: [{{containerPort: 8080}}]}}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}}}
spec:
  ingressClassName: testbed
  rules:
    - host: {name}.example.org
      http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: {name}, port: {{name: http}}}}}}}}]}}
"""
CONFIG_MAP = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: "{value}"}}\n'
TARGET = "apiVersion: trueup.dev/v1\nkind: Target\nmetadata: {name: bench}\nspec: {runtime: kubernetes}\n"


class Estate:
    """A repository of many applications in one cluster, and the clone from which it is pushed."""

    def __init__(self, place: Path, template: str, kustomize: bool) -> None:
        self.template = template
        self.kustomize = kustomize
        self.bare = place / "estate.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(self.bare)], check=True)
        self.clone = Clone(self.bare, place / "estate")
        (self.clone.where / "trueup.yaml").write_text(TARGET, encoding="utf-8")
        self._push("the target")

    def declare(self, numbers: range) -> None:
        """Push these applications, all in one commit."""
        for number in numbers:
            folder = self.clone.where / name(number)
            folder.mkdir()
            application = f"{{apiVersion: trueup.dev/v1, kind: Application, metadata: {{name: {name(number)}}},\n spec: "
            (folder / "trueup.yaml").write_text(f"{application}{{target: bench, namespace: {NAMESPACE}}}}}\n", encoding="utf-8")
            self._write(number, "first")
            if self.kustomize:
                (folder / "kustomization.yaml").write_text("resources: [objects.yaml]\n", encoding="utf-8")
        self._push("many applications")

    def touch(self, number: int, value: str) -> None:
        """Push a change of one application."""
        self._write(number, value)
        self._push(f"touch {name(number)}")

    def _write(self, number: int, value: str) -> None:
        text = self.template.format(name=name(number), value=value)
        (self.clone.where / name(number) / "objects.yaml").write_text(text, encoding="utf-8")

    def _push(self, subject: str) -> None:
        self.clone.git("add", ".")
        self.clone.git("commit", "-qm", subject)
        self.clone.git("push", "-q", "origin", "HEAD:main")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--applications", type=int, default=1000)
    parser.add_argument("--others", type=int, default=5000, help="objects of nobody in the cluster, beside which a hand edit is undone")
    parser.add_argument("--kustomize", action="store_true", help="render by kustomize; left out: plain files")
    parser.add_argument("--config-maps", type=int, default=0, help="measure instead so many applications of one ConfigMap each")
    parser.add_argument("--only", default="", help=f"a comma-separated choice of: {', '.join(PARTS)} (cold is always measured)")
    chosen = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="trueup-bench-"))
    tell("starting a cluster")
    cluster = Cluster.start(place / "cluster")
    os.environ["KUBECONFIG"] = str(cluster.kubeconfig)
    if chosen.kustomize:
        os.environ["PATH"] = f"{programs.kustomize().parent}{os.pathsep}{os.environ['PATH']}"
    for namespace in (NAMESPACE, BESIDE, OTHERS):
        cluster.namespace(namespace)
    try:
        rows = many_config_maps(chosen, place) if chosen.config_maps else measure(chosen, place, cluster)
    finally:
        cluster.stop()
        shutil.rmtree(place, ignore_errors=True)
    print("\n| what | must | measured |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def measure(chosen: argparse.Namespace, place: Path, cluster: Cluster) -> Rows:
    """The rows of the table."""
    what = set(chosen.only.split(",")) - {""} or set(PARTS)
    estate, count = Estate(place, OBJECTS, chosen.kustomize), chosen.applications
    with serving(estate.bare, place / "state") as serve:
        rows = cold(serve, estate, cluster, count, place)
    if "again" in what:
        rows += again(estate, cluster, count, place)
    if not what & {"one", "hand"}:
        return rows
    with serving(estate.bare, place / "state") as serve:
        serve.wait(lambda: serve.synced() >= count, PATIENCE, 0.5)
        time.sleep(5)
        rows += idle(serve, 30)[1:]
        if "one" in what:
            rows += one_touched(serve, estate, cluster, count)
        if "hand" in what:
            rows += hand_edits(serve, cluster, chosen.others)
    return rows


def cold(serve: Serve, estate: Estate, cluster: Cluster, count: int, place: Path) -> Rows:
    """From a push of everything to all ready, and kubectl with the same objects."""
    began = processor(cluster)
    ours, before, after = pushed(serve, estate, cluster, count)
    divided, used = division(serve), (serve.processor(), processor(cluster) - began)
    rows: Rows = [(f"{count} applications of 4 objects, from push to all ready", "-", f"{ours:.1f} s")]
    began, other = processor(cluster), os.times()
    theirs = kubectl(estate, cluster, count, place)
    by_kubectl = os.times().children_user + os.times().children_system - other.children_user - other.children_system
    rows += [
        ("the same objects by `kubectl apply --server-side`, until all are ready", "-", f"{theirs:.1f} s"),
        ("ratio", "at most 2", f"{ours / theirs:.2f}"),
        ("resident memory (highest; afterwards)", "350 MiB", f"{serve.memory('VmHWM'):.0f}; {serve.memory('VmRSS'):.0f} MiB"),
        ("processor time of Trueup, and of the cluster meanwhile", "-", f"{used[0]:.1f} and {used[1]:.1f} s"),
        ("the same of kubectl", "-", f"{by_kubectl:.1f} and {processor(cluster) - began:.1f} s"),
        ("time by stage, all applications together", "-", divided),
        ("requests", "-", told(before, after)),
        ("load of the machine, over a minute", "-", f"{os.getloadavg()[0]:.1f}"),
    ]
    return rows


def processor(cluster: Cluster) -> float:
    """Seconds of processor time that the parts of a cluster took so far."""
    seconds = 0.0
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == cluster.folder.resolve():
                seconds += sum(map(int, (process / "stat").read_text().rpartition(")")[2].split()[11:13])) / TICKS
        except OSError:
            continue
    return seconds


def pushed(serve: Serve, estate: Estate, cluster: Cluster, count: int) -> tuple[float, Counter[str], Counter[str]]:
    """Seconds from a push of so many applications to all ready, and what had been asked before and after."""
    serve.wait(lambda: not serve.synced(), 60)
    tell(f"pushing {count} applications")
    estate.declare(range(count))
    before, begun = asked(cluster), time.monotonic()
    serve.trigger()
    # Not more often: what is measured answers it, and looks at everything for that.
    serve.wait(lambda: serve.synced() >= count, PATIENCE, 0.5 if count < 5000 else 2.0)
    seconds = time.monotonic() - begun
    return seconds, before, asked(cluster)


def division(serve: Serve) -> str:
    """How the time of all walks divides between the stages."""
    samples = serve.metrics()
    seconds = {stage: samples.get(f'trueup_stage_seconds_sum{{stage="{stage}"}}', 0.0) for stage in STAGES}
    return ", ".join(f"{stage} {value:.1f} s" for stage, value in seconds.items() if value)


def kubectl(estate: Estate, cluster: Cluster, count: int, place: Path) -> float:
    """Seconds that kubectl takes for the same objects, until all are ready; asked by one list of each kind, not object by object."""
    tell("the same objects by kubectl")
    folder = place / "objects"
    folder.mkdir()
    for number in range(count):
        shutil.copy(estate.clone.where / name(number) / "objects.yaml", folder / f"{name(number)}.yaml")
    command = [str(programs.kubernetes()["kubectl"]), "-n", BESIDE, "apply", "--server-side", "-f", str(folder)]
    begun = time.monotonic()
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    while not _all_ready(cluster, count):
        time.sleep(0.2)
    return time.monotonic() - begun


def _all_ready(cluster: Cluster, count: int) -> bool:
    deployments = cluster.get(f"/apis/apps/v1/namespaces/{BESIDE}/deployments")["items"]
    ingresses = cluster.get(f"/apis/networking.k8s.io/v1/namespaces/{BESIDE}/ingresses")["items"]
    ready = sum(each["status"].get("observedGeneration") == each["metadata"]["generation"] for each in deployments)
    return ready == count and sum(bool(each["status"]["loadBalancer"].get("ingress")) for each in ingresses) == count


def again(estate: Estate, cluster: Cluster, count: int, place: Path) -> Rows:
    """A new Trueup on the same state, while nothing has changed; every request of it is written down."""
    tell("a second pass with nothing changed")
    direct = os.environ["KUBECONFIG"]
    with Ledger(cluster).open() as ledger:
        os.environ["KUBECONFIG"] = str(ledger.kubeconfig(place / "ledger.kubeconfig"))
        with serving(estate.bare, place / "state") as serve:
            walked = 'trueup_stage_seconds_count{stage="plan"}'
            seconds = serve.wait(lambda: serve.synced() >= count <= serve.metrics().get(walked, 0.0), PATIENCE, 0.5)
            time.sleep(5)
        os.environ["KUBECONFIG"] = direct
    reads = ", ".join(f"{number} {kind}" for kind, number in sorted(ledger.reads.items()))
    return [
        ("started anew with nothing changed: until all were looked at", "-", f"{seconds:.1f} s"),
        ("its requests that write or try out", "0", str(len(ledger.writes))),
        ("its requests that read", "1 for each of the 5 kinds", reads),
    ]


def one_touched(serve: Serve, estate: Estate, cluster: Cluster, count: int) -> Rows:
    """A commit that touches one application."""
    tell("a commit that touches one application")
    number, path = count - 1, f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name(count - 1)}"
    counts, requests, times, lags = [], [], [], []
    for turn in range(5):
        value = f"turn {turn}"
        estate.touch(number, value.replace(" ", "-"))
        before, renders, begun = asked(cluster), serve.counted(), time.monotonic()
        serve.trigger()
        in_cluster = waited(lambda value=value: _is_ready(cluster, path, value.replace(" ", "-")), 60)  # type: ignore[misc]
        serve.wait_for_runs(renders[2] + 1)
        seen = time.monotonic()
        times.append(seen - begun)
        lags.append(seen - in_cluster)
        time.sleep(1)
        counts.append(serve.counted()[0] - renders[0])
        after = asked(cluster)
        requests.append(f"{since(before, after, ['dry run'])} dry runs, {since(before, after, WRITES)} writes")
    return [
        ("one application changed (2 of its 4 objects): renders", "1", "/".join(sorted({f"{each:.0f}" for each in counts}))),
        ("its requests", "for its objects only", " / ".join(dict.fromkeys(requests))),
        ("from push to ready", "-", f"{statistics.median(times) * 1000:.0f} ms"),
        ("ready is known after the cluster says so", "1 s", f"{max(lags) * 1000:.0f} ms at most"),
    ]


def _is_ready(cluster: Cluster, path: str, value: str) -> bool:
    live = cluster.get(path)
    touched = live["metadata"]["annotations"].get("example.org/touched") == value
    return bool(touched and live["status"].get("observedGeneration") == live["metadata"]["generation"])


def hand_edits(serve: Serve, cluster: Cluster, others: int) -> Rows:
    """A hand edit is undone, beside many objects that are nobody's."""
    memory = serve.memory("VmRSS")
    tell(f"making {others} objects of nobody")
    make_others(cluster, others)
    tell("hand edits")
    times = [_undone(cluster, number) for number in range(5)]
    return [
        (
            f"a hand edit is undone, beside {others} objects of others",
            "2 s",
            f"{statistics.median(times):.2f} s; {max(times):.2f} s at most",
        ),
        ("resident memory before and after they came", "no growth", f"{memory:.0f}; {serve.memory('VmRSS'):.0f} MiB"),
    ]


def _undone(cluster: Cluster, number: int) -> float:
    path = f"/api/v1/namespaces/{NAMESPACE}/services/{name(number)}"
    change = {"spec": {"ports": [{"name": "http", "port": 80, "targetPort": 9090}]}}
    status, answer = cluster.request("PATCH", f"{path}?fieldManager=kubectl-edit", change, "application/merge-patch+json")
    if status != 200:
        raise SystemExit(f"the hand edit was refused: {answer}")
    begun = time.monotonic()
    return waited(lambda: cluster.get(path)["spec"]["ports"][0]["targetPort"] == 8080, 60) - begun


def make_others(cluster: Cluster, count: int, hands: int = 4) -> None:
    """Make ConfigMaps that belong to nobody, over a few connections."""
    with ThreadPoolExecutor(hands) as pool:
        list(pool.map(lambda hand: _make_some(cluster, range(hand, count, hands)), range(hands)))


def _make_some(cluster: Cluster, numbers: range) -> None:
    context = ssl.create_default_context(cafile=str(cluster.folder / "authority.crt"))
    context.load_cert_chain(cluster.folder / "administrator.crt", cluster.folder / "administrator.key")
    address = urlsplit(cluster.url)
    connection = http.client.HTTPSConnection(str(address.hostname), address.port, context=context, timeout=60)
    for number in numbers:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"other-{number}"}, "data": {"text": "x" * 500}}
        connection.request("POST", f"/api/v1/namespaces/{OTHERS}/configmaps", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 201:
            raise SystemExit(f"an object was refused: {answer.read().decode()}")
        answer.read()
    connection.close()


def many_config_maps(chosen: argparse.Namespace, place: Path) -> Rows:
    """Many small applications in one cluster."""
    estate, count = Estate(place, CONFIG_MAP, chosen.kustomize), chosen.config_maps
    cluster = Cluster.join(place / "cluster")
    if cluster is None:
        raise SystemExit("the cluster has gone")
    with serving(estate.bare, place / "state") as serve:
        began = processor(cluster)
        seconds, before, after = pushed(serve, estate, cluster, count)
        used = f"{serve.processor():.1f} and {processor(cluster) - began:.1f} s"
        memory = f"{serve.memory('VmHWM'):.0f}; {serve.memory('VmRSS'):.0f} MiB"
        return [
            (f"{count} applications of one ConfigMap, from push to all ready", "300 s for 10,000", f"{seconds:.1f} s"),
            ("resident memory (highest; afterwards)", "-", memory),
            ("processor time of Trueup, and of the cluster meanwhile", "-", used),
            ("time by stage, all applications together", "-", division(serve)),
            ("requests", "-", told(before, after)),
            ("load of the machine, over a minute", "-", f"{os.getloadavg()[0]:.1f}"),
        ]


def waited(true: Callable[[], bool], seconds: float) -> float:
    """The moment at which it was true."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise SystemExit(f"not true after {seconds} s")
        time.sleep(0.01)
    return time.monotonic()


if __name__ == "__main__":
    main()
