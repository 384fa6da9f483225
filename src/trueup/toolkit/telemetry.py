"""What happens -> structured logs, metrics and traces, in one place.

The walk puts ``stage`` around each of its lines and ``about`` around the whole; no station knows of either. Metrics and spans cost
nothing where nobody asked for them: a command on the command line has no registry, and OpenTelemetry without its SDK records nothing.
"""

import hashlib
import logging
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Protocol

import msgspec
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags, TracerProvider

from trueup.model.errors import TrueupError

_facts: ContextVar[Mapping[str, str]] = ContextVar("trueup_facts", default=MappingProxyType({}))


class Meter(Protocol):
    """Where figures go; see ``Metrics``."""

    def stage(self, name: str, seconds: float, failed: bool) -> None:
        """A stage took so long."""

    def count(self, name: str, labels: Mapping[str, str]) -> None:
        """One more."""


class Telemetry:
    """Logs, metrics and spans of one engine."""

    def __init__(self, logger: logging.Logger, meter: Meter | None = None, tracers: TracerProvider | None = None) -> None:
        """``tracers``: who makes spans; left out, whoever the embedding process has set."""
        self.logger = logger
        self.meter = meter
        self._tracers = tracers
        self._tracer = trace.get_tracer("trueup", tracer_provider=tracers)

    @contextmanager
    def about(self, run: str, facts: Mapping[str, str]) -> Iterator[None]:
        """Everything inside is about this run (or this fetch): its log lines carry the facts, its spans are of one trace.

        The trace's id comes from the run's id, so that a run which waits, or goes on after a restart, stays one trace.
        """
        known = {**_facts.get(), **facts, **({"run": run} if run else {})}
        token = _facts.set(known)
        context = trace.set_span_in_context(NonRecordingSpan(_remote(run))) if run else None
        try:
            with self._tracer.start_as_current_span("walk" if run else "follow", context, attributes=_attributes(known)):
                yield
        finally:
            _facts.reset(token)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """One line of the walk: timed, traced, counted, and logged at level debug."""
        begun = time.monotonic()
        failed = True
        attributes = _attributes(_facts.get()) if self._traces else {}
        with self._span(name, attributes) as span:
            try:
                yield
                failed = False
            except Exception as error:
                span.set_status(Status(StatusCode.ERROR, str(error) if isinstance(error, TrueupError) else type(error).__name__))
                raise
            finally:
                seconds = time.monotonic() - begun
                if self.meter:
                    self.meter.stage(name, seconds, failed)
                if self.logger.isEnabledFor(logging.DEBUG):
                    self.log(logging.DEBUG, f"{name} {'failed' if failed else 'done'}", seconds=round(seconds, 4))

    @property
    def _traces(self) -> bool:
        """Whether anybody makes spans: whoever embeds us may come to do so."""
        return not isinstance(self._tracers or trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider)

    def _span(self, name: str, attributes: Mapping[str, str]) -> AbstractContextManager[trace.Span]:
        """A span; without anybody who makes them one that costs nothing, for there are a dozen in each walk."""
        if not self._traces:
            return nullcontext(trace.INVALID_SPAN)
        return self._tracer.start_as_current_span(name, attributes=attributes, record_exception=False, set_status_on_exception=False)

    def log(self, level: int, message: str, **facts: object) -> None:
        """One line, with the facts of what it is about."""
        self.logger.log(level, "%s", message, extra={"facts": {**_facts.get(), **facts}})

    def info(self, message: str, **facts: object) -> None:
        """Something happened as it should."""
        self.log(logging.INFO, message, **facts)

    def warn(self, message: str, **facts: object) -> None:
        """Somebody should look at it."""
        self.log(logging.WARNING, message, **facts)

    def broke(self, message: str, error: Exception) -> None:
        """Something of ours or of a plug-in is wrong. Its words may hold anything, a secret too: only kind and place are told."""
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        self.log(logging.ERROR, message, error=type(error).__name__, place=place)

    def count(self, name: str, **labels: str) -> None:
        """One more of something."""
        if self.meter:
            self.meter.count(name, labels)


def _attributes(facts: Mapping[str, str]) -> dict[str, str]:
    return {f"trueup.{name}": value for name, value in facts.items()}


def _remote(run: str) -> SpanContext:
    digest = hashlib.sha256(run.encode()).digest()
    return SpanContext(
        int.from_bytes(digest[:16]), int.from_bytes(digest[16:24]), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )


class TextLines(logging.Formatter):
    """``12:00:01 info  applied  application=web revision=3f2a9c1``; control characters are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """One line for people."""
        facts: dict[str, Any] = getattr(record, "facts", {})
        shown = " ".join(f"{name}={_short(name, value)}" for name, value in facts.items() if value != "")
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        line = f"{at} {record.levelname.lower():7} {record.getMessage()}" + (f"  {shown}" if shown else "")
        return line.encode("unicode_escape").decode("ascii") if not line.isprintable() else line


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, message, and the facts."""

    def format(self, record: logging.LogRecord) -> str:
        """One line for machines."""
        at = datetime.fromtimestamp(record.created, UTC)
        facts: dict[str, Any] = getattr(record, "facts", {})
        return msgspec.json.encode(
            {"time": at, "level": record.levelname.lower(), "message": record.getMessage(), **facts}, enc_hook=str
        ).decode()


def logger_to(stream: Any, style: str = "text", level: str = "info") -> logging.Logger:
    """A logger that writes to a stream in ``text`` or ``json``; its own, so that nothing global changes."""
    logger = logging.Logger("trueup", level.upper())  # noqa: LOG001 - one of its own: a command must not change the process's logging
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if style == "json" else TextLines())
    logger.addHandler(handler)
    return logger


def _short(name: str, value: object) -> str:
    text = str(value)
    if name in ("revision", "commit") and len(text) == 40:
        return text[:7]
    return f'"{text}"' if " " in text else text
