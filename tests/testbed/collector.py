"""A collector of spans on loopback: it takes OTLP over HTTP, as any OpenTelemetry collector does, and keeps what it was sent."""

import contextlib
import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.testbed.loopback import HOST, Answering, answering


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

    class Handler(Answering):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent = ExportTraceServiceRequest.FromString(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            for resource in sent.resource_spans:
                kept.service = next(each.value.string_value for each in resource.resource.attributes if each.key == "service.name")
                kept.spans.extend(_span(span) for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

    with answering(Handler) as port:
        kept.endpoint = f"http://{HOST}:{port}"
        yield kept


def _span(span: object) -> Span:
    attributes = {each.key: each.value.string_value for each in span.attributes}  # type: ignore[attr-defined]
    identities = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())  # type: ignore[attr-defined]
    return Span(*identities, span.name, attributes, span.status.code == 2)  # type: ignore[attr-defined]
