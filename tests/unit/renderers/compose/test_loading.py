"""Files that are merged, extended and included keep the places of everything in them."""

from tests.unit.renderers.compose.project import faults, rendered, service


def test_a_fault_of_each_file_is_told_in_its_own_file() -> None:
    files = {
        "app/compose.yaml": "include: [part.yaml]\nservices:\n  web: {image: a, ports: ['x:80']}\n",
        "app/compose.override.yaml": "services:\n  web:\n    restart: [always]\n",
        "app/part.yaml": "services:\n  part: {imge: a}\n",
    }
    assert [each.rpartition(":")[0].partition(": ")[0] for each in faults(files)] == [
        "app/compose.override.yaml:3",
        "app/compose.yaml:3",
        "app/part.yaml:2",
    ]


def test_broken_yaml_does_not_hide_the_faults_of_other_files() -> None:
    files = {"app/compose.yaml": "services: [\n", "app/compose.override.yaml": "services: {web: {imge: a}}\n"}
    assert {each.partition(":")[0] for each in faults(files)} == set(files)


def test_no_value_is_in_a_fault_of_the_schema() -> None:
    text = "services:\n  web: {image: a, environment: {PASSWORD: [open-sesame]}, labels: open-sesame}\n"
    told = faults({"app/compose.yaml": text})
    assert told
    assert "open-sesame" not in str(told)


def test_what_is_taken_back_leaves_nothing() -> None:
    files = {
        "app/compose.yaml": "services:\n  web: {image: a, ports: ['1:1'], labels: {a: '1'}}\n",
        "app/compose.override.yaml": "services:\n  web: {ports: !override ['2:2'], labels: !reset null}\n",
    }
    spec = rendered(files)["Service/shop/web"].body["spec"]
    assert [each["target"] for each in spec["ports"]] == [2]
    assert "labels" not in spec


def test_an_extended_service_keeps_the_paths_of_its_own_file() -> None:
    files = {
        "lib/base.yaml": "services:\n  base: {image: b, volumes: ['./conf:/conf'], env_file: base.env}\n",
        "lib/conf/a": "",
        "lib/base.env": "FROM=base\n",
    }
    spec = service("extends: {file: ../lib/base.yaml, service: base}\nenvironment: {OWN: 1}", files)
    assert spec["volumes"][0]["content"] == "/lib/conf"
    assert spec["environment"] == {"FROM": "base", "OWN": "1"}
