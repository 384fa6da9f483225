"""What strangers write ends, whatever it is."""

import pytest

from tests.unit.renderers.compose.project import faults


def compose(text: str) -> dict[str, str]:
    return {"app/compose.yaml": text}


def test_a_bomb_of_aliases_is_refused() -> None:
    levels = "".join(f"x-{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 8))
    assert "the aliases expand to too much" in faults(compose(f"x-0: &l0 [a]\n{levels}"))[0]


def test_deep_nesting_is_refused() -> None:
    assert len(faults(compose(f"x-a: {'[' * 5000}"))) == 1


def test_a_bomb_of_variables_is_refused() -> None:
    lines = "".join(f"A{n}=$A{n - 1}$A{n - 1}\n" for n in range(1, 60))
    files = {**compose("services: {web: {image: a}}\n"), "app/.env": f"A0=0123456789\n{lines}"}
    assert "app/.env:18: the value is too long" in faults(files)


@pytest.mark.parametrize("text", ["${A:-" * 3000 + "x" + "}" * 3000, "${A:-x}" * 5000])
def test_variables_may_be_as_deep_as_they_like(text: str) -> None:
    assert [each.partition(": ")[2] for each in faults(compose(f"services: {{web: {{image: a, labels: ['{text}']}}}}\n"))] in (
        [],
        ["the variables are nested too deeply"],
    )


def test_includes_that_double_are_refused() -> None:
    files = {f"app/{n}.yaml": f"include: [{n + 1}.yaml, {n + 1}.yaml]\n" for n in range(30)}
    told = faults({**files, "app/30.yaml": "services: {web: {image: a}}\n", "app/compose.yaml": "include: [0.yaml]\n"})
    assert {each.partition(": ")[2] for each in told} == {"the project includes too many files"}


def test_a_long_chain_of_extended_services_is_refused() -> None:
    chain = "".join(f"  s{n}: {{extends: s{n + 1}}}\n" for n in range(2000))
    told = faults(compose(f"services:\n{chain}  s2000: {{image: a}}\n"))
    assert told
    assert {each.partition(": ")[2] for each in told} <= {
        "services extend each other too deeply",
        *(f"the service `s{n}` has neither an image nor a build" for n in range(2000)),
    }


def test_a_long_chain_of_dependencies_is_followed() -> None:
    chain = "".join(f"  s{n}: {{image: a, depends_on: [s{n + 1}]}}\n" for n in range(1100))
    assert faults(compose(f"services:\n{chain}  s1100: {{image: a}}\n")) == []


def test_more_ports_than_there_are_are_refused() -> None:
    ports = ", ".join(f'"127.0.0.{n}:1-65535:1-65535"' for n in range(1, 6))
    assert faults(compose(f"services:\n  web: {{image: a, ports: [{ports}]}}\n")) == [
        "app/compose.yaml:2: the service publishes too many ports"
    ]
