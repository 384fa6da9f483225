"""Commands say what waits: nothing is called in order because it may not be looked at."""

from tests.end_to_end.estate import Estate, Files, application, documents, target, thing


def many(number: int) -> Files:
    files: Files = {f"{name}/a.yaml": documents(thing(name, size=1)) for name in names(number)}
    return {**files, **{f"{name}.trueup.yaml": documents(application(name)) for name in names(number)}, "trueup.yaml": documents(target())}


def names(number: int) -> list[str]:
    return [f"app{index}" for index in range(number)]


def test_a_plan_of_a_repository_that_is_held_says_so(estate: Estate) -> None:
    estate.commit(many(12))
    assert estate.trueup("apply").code == 0
    estate.commit({f"{name}.trueup.yaml": None for name in names(11)})
    plan = estate.trueup("plan")
    assert plan.code == 3
    assert "removes 11 applications" in plan.err
    assert "trueup release --repository" in plan.err
    assert estate.trueup("release", "--repository").code == 0
    assert estate.trueup("plan").code == 2


def test_an_application_whose_declaration_is_gone_is_not_called_synced(estate: Estate) -> None:
    estate.commit(many(2))
    assert estate.trueup("apply").code == 0
    estate.commit({"app0.trueup.yaml": None})
    gone, stays = sorted(estate.trueup("status", "-o", "json").document["items"], key=lambda item: str(item["application"]))
    assert (gone["sync"], gone["health"], gone["message"]) == ("outOfSync", "healthy", "its declaration is gone")
    assert (stays["sync"], stays["message"]) == ("synced", "")


def test_an_apply_tells_everything_that_stood_in_the_way_of_one_application_or_another(estate: Estate) -> None:
    estate.commit(
        {
            **many(4),
            "app0/a.yaml": documents(thing("app0", refuse="too large")),
            "app0.trueup.yaml": documents(application("app0", policy={"retry": {"limit": 0}})),
            "app1.trueup.yaml": documents(target("away", "compose"), application("app1", target="away")),
            "broken.trueup.yaml": "kind: Nonsense\n",
        }
    )
    estate.trueup("plan")
    assert estate.trueup("hold", "app2").code == 0
    said = estate.trueup("apply")
    assert said.code == 1
    for told in ("broken.trueup.yaml:1", "too large", "a Compose host knows no Thing", "app2 is held: paused"):
        assert told in said.err, said.err
    assert "app3  " in said.out
