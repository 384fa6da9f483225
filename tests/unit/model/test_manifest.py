"""What names an object."""

from trueup.model.manifest import named


def test_what_only_says_how_its_name_begins_is_named_after_its_content() -> None:
    first, same, other = (
        named({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "migrate-"}, "spec": {"n": number}})
        for number in (1, 1, 2)
    )
    assert first == same != other
    assert first["metadata"]["name"].startswith("migrate-")
    assert "generateName" not in first["metadata"]


def test_what_has_a_name_keeps_it_and_the_name_of_a_secret_tells_nothing_of_its_content() -> None:
    body = {"kind": "Job", "metadata": {"name": "a", "generateName": "b-"}}
    secret = {"kind": "Secret", "metadata": {"generateName": "b-"}, "data": {"a": "eA=="}}
    assert named(body) == body
    assert named(secret) == secret
    assert named({"kind": "Job", "metadata": None}) == {"kind": "Job", "metadata": None}
