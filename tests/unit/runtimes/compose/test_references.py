"""Names of images."""

import pytest

from trueup.runtimes.compose.images import Shelf, period_of
from trueup.runtimes.compose.references import reference_of


@pytest.mark.parametrize(
    ("text", "registry", "tagged"),
    [
        ("nginx", "docker.io", "nginx:latest"),
        ("docker.io/library/nginx:1.27", "docker.io", "nginx:1.27"),
        ("index.docker.io/shop/web", "docker.io", "shop/web:latest"),
        ("shop/web:2", "docker.io", "shop/web:2"),
        ("ghcr.io/shop/web:2", "ghcr.io", "ghcr.io/shop/web:2"),
        ("localhost/web", "localhost", "localhost/web:latest"),
        ("host:5000/web", "host:5000", "host:5000/web:latest"),
        ("nginx@sha256:ab", "docker.io", "nginx@sha256:ab"),
        ("nginx:1@sha256:ab", "docker.io", "nginx:1"),
    ],
)
def test_an_image_has_one_name(text: str, registry: str, tagged: str) -> None:
    reference = reference_of(text)
    assert (reference.registry, reference.tagged) == (registry, tagged)


def test_a_digest_says_more_than_the_tag_beside_it() -> None:
    shelf = Shelf(
        [{"Id": "one", "RepoTags": ["nginx:1"], "RepoDigests": ["nginx@sha256:ab"]}, {"Id": "two", "RepoDigests": ["nginx@sha256:cd"]}]
    )
    assert shelf.identity(reference_of("nginx:1")) == "one"
    assert shelf.identity(reference_of("nginx:1@sha256:cd")) == "two"
    assert shelf.identity(reference_of("nginx:2")) == ""
    assert shelf.digest(reference_of("nginx:1"), "one") == "sha256:ab"


@pytest.mark.parametrize(
    ("policy", "seconds"),
    [("", None), ("missing", None), ("if_not_present", None), ("daily", 86400), ("weekly", 604800), ("every_1d12h", 129600)],
)
def test_a_pull_policy_says_how_often_a_registry_is_asked(policy: str, seconds: float | None) -> None:
    assert period_of(policy) == seconds
