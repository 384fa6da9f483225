"""A collector of spans on loopback: it takes OTLP over HTTP, as any OpenTelemetry collector does, and keeps what it was sent."""

import contextlib
import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class Span:
    """One span as it was sent."""

    trace: str
    identity: str
    parent: str
    name: str
    attributes: dict[str, str]
    failed: bool


@dataclass
class Collector:
    """What came."""

    endpoint: str = ""
    spans: list[Span] = field(default_factory=list)
    service: str = ""


@contextlib.contextmanager
def collector() -> Iterator[Collector]:
    """Take spans until the end."""
    kept = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent = ExportTraceServiceRequest.FromString(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            for resource in sent.resource_spans:
                kept.service = next(each.value.string_value for each in resource.resource.attributes if each.key == "service.name")
                kept.spans.extend(_span(span) for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    kept.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()


def _span(span: object) -> Span:
    attributes = {each.key: each.value.string_value for each in span.attributes}  # type: ignore[attr-defined]
    identities = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())  # type: ignore[attr-defined]
    return Span(*identities, span.name, attributes, span.status.code == 2)  # type: ignore[attr-defined]
