"""Spans -> a collector that the environment names, over OTLP. Needs the SDK, which is an extra: ``pip install 'trueup[telemetry]'``."""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import Final

from opentelemetry.trace import TracerProvider

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
LAST_WORDS: Final = 3.0
"""How long the end of a process waits for the last spans to be taken, in seconds."""


@contextmanager
def exporting(environment: Mapping[str, str], logger: logging.Logger) -> Iterator[TracerProvider | None]:
    """Who makes spans; None when nobody asked for them, or the SDK is not installed, which is told.

    The environment is OpenTelemetry's own: endpoint, headers, certificates, sampling and the service's name are read by the SDK.
    """
    if not _is_asked_for(environment):
        yield None
        return
    if find_spec("opentelemetry.sdk") is None or find_spec("opentelemetry.exporter") is None:
        facts = {"hint": "install the extra: pip install 'trueup[telemetry]'"}
        logger.warning("spans are asked for, and cannot be sent", extra={"facts": facts})
        yield None
        return
    with _told(logger):
        yield from _sent()


def _is_asked_for(environment: Mapping[str, str]) -> bool:
    off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none"
    return not off and any(environment.get(name) for name in ENDPOINTS)


def _sent() -> Iterator[TracerProvider]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": "trueup", "service.version": version("trueup")})
    provider = trace.TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield provider
    finally:
        # The SDK would wait for half a minute for a collector that does not answer.
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(LAST_WORDS)


@contextmanager
def _told(logger: logging.Logger) -> Iterator[None]:
    """What the SDK has to say is written as everything else is."""
    theirs = logging.getLogger("opentelemetry")
    before, theirs.handlers, theirs.propagate = theirs.handlers, logger.handlers, False
    try:
        yield
    finally:
        theirs.handlers, theirs.propagate = before, True
