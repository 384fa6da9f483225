"""What is told about an image that cannot be had."""

import pytest

from trueup.runtimes.compose.images import hint_for

WORDS = [
    ("write /var/lib/docker/tmp/x: no space left on device", "make room"),
    ("toomanyrequests: You have reached your unauthenticated pull rate limit", "wait until"),
    ('Head "https://registry.example.org/v2/": dial tcp 10.0.0.1:443: connect: connection refused', "reaches the registry"),
    ("lookup registry.example.org: no such host", "reaches the registry"),
    ("manifest for app:9 not found: manifest unknown", "usual"),
]


@pytest.mark.parametrize(("said", "hint"), WORDS)
def test_each_reason_has_a_way_out(said: str, hint: str) -> None:
    assert hint in hint_for(said, "usual")
