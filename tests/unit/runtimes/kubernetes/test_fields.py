"""Field sets, and where they are in an object."""

from trueup.runtimes.kubernetes.fields import Fields, both, minus, paths, plus, values

POD = {
    "metadata": {"labels": {"app": "web", "a.b/c": "x"}, "finalizers": ["keep", "other"]},
    "spec": {
        "containers": [{"name": "log", "image": "l"}, {"name": "web", "image": "w", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]
    },
}
FIELDS = {
    "f:metadata": {"f:labels": {".": {}, "f:app": {}, "f:a.b/c": {}, "f:gone": {}}, "f:finalizers": {'v:"other"': {}}},
    "f:spec": {
        "f:containers": {
            'k:{"name":"web"}': {
                ".": {},
                "f:image": {},
                "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
            }
        }
    },
}


def test_a_field_is_found_by_key_by_value_and_by_the_keys_of_its_item() -> None:
    assert values(FIELDS, POD) == {
        "metadata.labels.app": "web",
        'metadata.labels["a.b/c"]': "x",
        "metadata.finalizers[1]": "other",
        "spec.containers[name=web].image": "w",
        "spec.containers[name=web].ports[0].containerPort": 80,
    }


def test_an_index_is_an_index() -> None:
    assert paths({"f:args": {"i:1": {}}}, {"args": ["a", "b"]}) == {"args[1]"}


def test_what_is_taken_away_is_no_longer_in_the_set() -> None:
    one: Fields = {"f:data": {".": {}, "f:a": {}, "f:b": {}}}
    assert minus(one, {"f:data": {".": {}, "f:a": {}}}) == {"f:data": {"f:b": {}}}
    assert minus(one, one) == {}


def test_both_and_either() -> None:
    one: Fields = {"f:data": {"f:a": {}, "f:b": {}}}
    other: Fields = {"f:data": {"f:b": {}, "f:c": {}}, "f:x": {}}
    assert plus(one, other) == {"f:data": {"f:a": {}, "f:b": {}, "f:c": {}}, "f:x": {}}
    assert both(one, other) == {"f:data": {"f:b": {}}}
