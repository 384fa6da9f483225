"""What somebody pauses stays as it is, and every command says so."""

from tests.end_to_end.estate import Estate, application, documents, eventually, target, thing


async def test_a_pause_is_told_until_it_is_released(estate: Estate) -> None:
    estate.commit({"trueup.yaml": documents(target(), application()), "web/a.yaml": documents(thing("a", size=1))})
    assert estate.trueup("apply").code == 0
    assert estate.trueup("hold", "web", "--reason", "looking into it").code == 0
    estate.commit({"web/a.yaml": documents(thing("a", size=2))})

    status = estate.trueup("status")
    assert status.code == 3
    assert "held" in status.out
    assert "paused: looking into it" in status.out
    assert "trueup release web" in status.err
    plan = estate.trueup("plan")
    assert plan.code == 2
    assert "held: paused: looking into it" in plan.out
    assert estate.trueup("apply").code == 3
    assert estate.world().specification("Thing/a") == {"size": 1}

    assert estate.trueup("release", "web").code == 0
    assert "held" not in estate.trueup("plan").out
    assert estate.trueup("apply").code == 0
    assert estate.world().specification("Thing/a") == {"size": 2}

    with estate.serving():
        assert estate.trueup("hold", "web").code == 0
        estate.world().put(thing("a", size=9))
        # A serve leaves it alone, and what is asked of it is true all the same.
        await eventually(lambda: "Thing/a" in estate.trueup("drift").out)
    assert estate.world().specification("Thing/a") == {"size": 9}
