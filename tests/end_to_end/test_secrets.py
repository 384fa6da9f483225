"""A secret's value is nowhere but where it is applied: not in an answer, a log, a process list or a file of the state."""

from pathlib import Path

from tests.end_to_end.estate import Estate, application, documents, target, thing
from trueup.model.errors import DeclarationError
from trueup.model.manifest import Body

VALUE = "c0rrect-horse-battery-staple"
OTHER = "tr0ub4dor-and-three"

_HEAD = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\n"
BROKEN = [
    f"{_HEAD}stringData: {{password: {VALUE}",
    f"{_HEAD}stringData:\n  password: {VALUE}: {VALUE}\n",
    f"{_HEAD}stringData:\n  password: {VALUE}\n  password: {VALUE}\n",
    f"{_HEAD}stringData:\n  password: *{VALUE}\n",
    f"{_HEAD}stringData:\n  password: @{VALUE}\n",
    f"{_HEAD}stringData:\n\tpassword: {VALUE}\n",
    f"{VALUE}\n",
]


def _secret(value: str, name: str = "login") -> Body:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"password": value}}


async def test_no_secret_shows_in_any_answer_of_any_command(estate: Estate) -> None:
    estate.commit({"trueup.yaml": documents(target(), application("web")), "web/a.yaml": documents(_secret(VALUE), thing("a"))})
    answers = [estate.trueup("plan", "-o", "json"), estate.trueup("plan")]
    answers += [estate.trueup("apply", "-o", "json")]
    estate.commit({"web/a.yaml": documents(_secret(OTHER), thing("a"))})
    answers += [estate.trueup("plan", "-o", "markdown"), estate.trueup("plan", "-o", "json")]
    assert '"(secret)"' in answers[-1].out, "that it changes is told"
    answers += [estate.trueup("apply", "--debug"), estate.trueup("render", "-o", "yaml"), estate.trueup("render", "-o", "json")]
    estate.world().put(_secret("by-h4nd"))
    answers += [estate.trueup("drift", "-o", "json"), estate.trueup("status", "-o", "json"), estate.trueup("history", "-o", "json")]
    answers += [estate.trueup("why", "web", "Secret/login", "-o", "json")]
    for answer in answers:
        assert answer.code in (0, 2), answer
        assert not {each for each in (VALUE, OTHER, "by-h4nd") if each in answer.out + answer.err}, answer


async def test_no_secret_is_kept_in_the_state_or_told_in_a_log(estate: Estate) -> None:
    estate.commit({"trueup.yaml": documents(target(), application("web")), "web/a.yaml": documents(_secret(VALUE), thing("a"))})
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit({"web/a.yaml": documents(_secret(OTHER), _secret(OTHER, "second"), thing("a", refuse="no"))})
        await operator.apply(wait=False)
        estate.commit({"web/a.yaml": documents({**_secret(VALUE), "stringData": [VALUE]}, thing("a"))})
        await operator.apply()
        estate.commit({"web/a.yaml": documents({**_secret(OTHER), "metadata": {"name": "login", "annotations": {"trueup.dev/wave": "x"}}})})
        await operator.apply()
        for broken in BROKEN:
            estate.commit({"web/a.yaml": broken})
            await operator.apply()
            assert isinstance(operator.problem, DeclarationError)
            assert VALUE not in f"{operator.problem} {operator.problem.faults}"
        found = _holding(estate.state, VALUE.encode(), OTHER.encode())
        log = estate.log.getvalue()
    assert found == []
    assert "followed" in log
    assert VALUE not in log
    assert OTHER not in log


def _holding(folder: Path, *values: bytes) -> list[str]:
    """The files below a folder, the mirror of the repository aside, that hold one of these values."""
    files = [file for file in folder.rglob("*") if file.is_file() and "mirrors" not in file.parts]
    assert any(file.name.startswith("memory.db") for file in files)
    return [str(file) for file in files if any(value in file.read_bytes() for value in values)]
