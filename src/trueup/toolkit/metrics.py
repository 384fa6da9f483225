"""Figures in Prometheus's form. Imported only where somebody serves them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

BUCKETS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)

# Every counter, its help and its labels: a metric that is not here does not exist.
COUNTERS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "runs": ("Runs that ended, by state and trigger", ("state", "trigger")),
    "actions": ("Actions carried out, by verb and state", ("verb", "state")),
    "renders": ("Renders", ()),
    "fetches": ("Fetches, by result", ("result",)),
    "drift": ("Times that drift was seen", ("healed",)),
    "wakes": ("Wake-ups, by trigger", ("trigger",)),
}


class Metrics:
    """One registry of figures; see ``COUNTERS`` and docs/reference/telemetry.md."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._stages = Histogram(
            "trueup_stage_seconds", "Time of each stage of the walk", ["stage"], registry=self.registry, buckets=BUCKETS
        )
        self._failures = Counter("trueup_stage_failures", "Stages that failed", ["stage"], registry=self.registry)
        self._counters = {
            name: Counter(f"trueup_{name}", text, labels, registry=self.registry) for name, (text, labels) in COUNTERS.items()
        }
        self.queue = Gauge("trueup_queue_rows", "Applications that wait for a walk", registry=self.registry)

    def stage(self, name: str, seconds: float, failed: bool) -> None:
        """A stage took so long."""
        self._stages.labels(name).observe(seconds)
        if failed:
            self._failures.labels(name).inc()

    def count(self, name: str, labels: Mapping[str, str]) -> None:
        """One more of something."""
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc()

    def applications(self, standings: Callable[[], Iterable[tuple[str, str, int]]]) -> None:
        """Count applications by sync and health, each time somebody asks."""
        self.registry.register(_Applications(standings))

    def text(self) -> bytes:
        """All of it, as ``/metrics`` gives it."""
        return generate_latest(self.registry)


class _Applications(Collector):
    def __init__(self, standings: Callable[[], Iterable[tuple[str, str, int]]]) -> None:
        self._standings = standings

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily("trueup_applications", "Applications, by sync and health", labels=["sync", "health"])
        for sync, health, count in self._standings():
            family.add_metric([sync, health], count)
        yield family
