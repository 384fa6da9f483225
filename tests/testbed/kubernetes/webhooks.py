"""Admission webhooks of our own, for the ConfigMaps of one namespace."""

import base64
import http.server
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.testbed.kubernetes.cluster import Cluster, wait_until

Answer = Callable[[dict[str, Any]], dict[str, Any]]
"""The request of an AdmissionReview -> its response, without the uid."""


@contextmanager
def webhook(cluster: Cluster, namespace: str, folder: Path, kind: str, answer: Answer, effects: str = "None") -> Iterator[None]:
    """One that is ``Mutating`` or ``Validating``, from when the API server knows it. Its key is kept in the folder."""
    with _served(cluster, folder, answer) as url:
        path = f"/apis/admissionregistration.k8s.io/v1/{kind.lower()}webhookconfigurations"
        entry = _entry(cluster, namespace, url)
        status, made = cluster.request("POST", path, {"metadata": {"name": namespace}, "webhooks": [entry]})
        assert status == 201, made
        if effects != "None":
            _rewrite(cluster, f"{kind.lower()}webhookconfigurations/{namespace}", {**made, "webhooks": [{**entry, "sideEffects": effects}]})
        try:
            wait_until(lambda: _is_asked(cluster, namespace, effects), "the API server does not know the webhook")
            yield
        finally:
            cluster.request("DELETE", f"{path}/{namespace}")


@contextmanager
def _served(cluster: Cluster, folder: Path, answer: Answer) -> Iterator[str]:
    identity = cluster.authority().server("127.0.0.1")
    chain = folder / "webhook.pem"
    chain.write_bytes(identity.certificate + identity.key)

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
            # What only wants to know whether there is a webhook here.
            said = {"allowed": False, "status": {"message": PROBE}} if asked["name"] == PROBE else answer(asked)
            review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": asked["uid"], **said}}
            body = json.dumps(review).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


PROBE = "is-there-a-webhook"


def _entry(cluster: Cluster, namespace: str, url: str) -> dict[str, Any]:
    return {
        "name": "page.example.org",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"url": url, "caBundle": base64.b64encode(cluster.authority().certificate).decode()},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "timeoutSeconds": 5,
    }


def _rewrite(cluster: Cluster, place: str, body: dict[str, Any]) -> None:
    """The server takes no new webhook with effects; but those from before it knew better are in its storage, and count."""
    key, value = f"/registry/{place}".encode(), json.dumps(body).encode()
    cluster.storage("kv/put", {"key": base64.b64encode(key).decode(), "value": base64.b64encode(value).decode()})


def _is_asked(cluster: Cluster, namespace: str, effects: str) -> bool:
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": PROBE}}
    status, answer = cluster.request("POST", f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All", probe)
    return status >= 400 and (PROBE if effects == "None" else "does not support dry run") in answer["message"]
