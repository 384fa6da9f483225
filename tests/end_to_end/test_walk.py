"""One commit walks to what runs, and the cost follows the change."""

from tests.end_to_end.estate import Estate, application, documents, target, thing
from trueup.model.run import RunState, Sync


async def test_a_commit_walks_to_what_runs(estate: Estate) -> None:
    commit = estate.commit({"trueup.yaml": documents(target(), application()), "web/a.yaml": documents(thing("a", size=1))})
    async with estate.operator() as operator:
        runs = await operator.apply()
        status = await operator.status("web")
    assert [(run.state, run.revision, run.actor) for run in runs] == [(RunState.SUCCEEDED, commit, "trueup")]
    assert operator.problem is None
    assert estate.world().specification("Thing/a") == {"size": 1}
    assert (status.sync, status.revision, status.health) == (Sync.SYNCED, commit, "healthy")
