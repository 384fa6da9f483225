"""Killed at any moment: the next walk finishes, nothing is made twice, nothing that a person decided is lost, the history is whole."""

import shutil
from pathlib import Path

from tests.end_to_end.estate import Estate, application, documents, target, thing
from tests.end_to_end.mortal import Moment, Mortal, mortal
from tests.end_to_end.serving import remembering, runs
from trueup.model.run import RunState

EFFECTS = ("a write is all but done", "an action is done")
STATIONS = ("fetch", "discover", "render", "plan", "guard", "apply", "observe", "report")


class Crashing:
    """One estate whose state folder is put back to how it was before each death."""

    def __init__(self, estate: Estate, mortal: Mortal) -> None:
        self.estate = estate
        self.mortal = mortal
        self.before = estate.folder / "before"

    def command(self, *arguments: str, dies: Moment | None = None) -> int:
        verb, *others = arguments
        words = (verb, "--repo", self.estate.url, "--state", str(self.estate.state), *others)
        return self.mortal.run(*words, dies=dies) if dies else self.mortal.run(*words)

    def keep(self) -> None:
        shutil.copytree(self.estate.state, self.before)

    def put_back(self) -> None:
        shutil.rmtree(self.estate.state)
        shutil.copytree(self.before, self.estate.state)

    def moments(self) -> list[Moment]:
        """The moments at which an apply can die, by applying once: each station's ends, and all that make a difference.

        Between two writes nothing lasts, so dying after the one is dying before the other.
        """
        self.put_back()
        assert self.command("apply") == 3  # one application waits for a person
        return [moment for moment in self.mortal.moments() if moment.name in EFFECTS or moment.number == 1]


def commit_the_first(estate: Estate) -> str:
    shop = documents(
        target(),
        application("web"),
        application("manual", policy={"sync": "manual"}),
        application("asked", policy={"sync": "manual"}),
        application("paused"),
    )
    files = {f"{name}/a.yaml": documents(thing(name, size=1)) for name in ("manual", "asked", "paused")}
    return estate.commit({"trueup.yaml": shop, "web/a.yaml": documents(thing("changes", size=1), thing("goes"), thing("stays")), **files})


def commit_the_second(estate: Estate) -> str:
    files = {f"{name}/a.yaml": documents(thing(name, size=2)) for name in ("manual", "paused")}
    web = documents(thing("changes", size=2), thing("stays"), thing("comes", 1), thing("comes-too", 2))
    return estate.commit({"web/a.yaml": web, **files})


def test_killed_at_any_moment_it_ends_as_if_nothing_had_happened(estate: Estate, tmp_path: Path) -> None:
    commit_the_first(estate)
    with mortal(tmp_path) as somebody:
        crashing = Crashing(estate, somebody)
        assert crashing.command("apply", "--yes") == 0
        assert crashing.command("hold", "paused") == 0
        identities = {key: record.entry.uid for key, record in estate.world().objects().items()}
        # One plan is approved before the deaths, and is to be carried out once.
        estate.commit({"asked/a.yaml": documents(thing("asked", size=2))})
        assert crashing.command("apply") == 3
        assert crashing.command("approve", "asked") == 0
        commit = commit_the_second(estate)
        crashing.keep()
        moments = crashing.moments()
        assert {moment.name for moment in moments} >= {f"{station} {word}" for station in STATIONS for word in ("begins", "ends")}
        expected, after = told(estate), world(estate, identities)
        assert after["Thing/changes"] == (2, True, 2)
        for moment in moments:
            crashing.put_back()
            assert crashing.command("apply", dies=moment) == -9, moment
            code = crashing.command("apply")
            assert (code, told(estate)) == (3, expected), (moment, somebody.said)
            assert world(estate, identities) == after, moment
        print(f"died {len(moments)} times at {commit[:7]}")


def told(estate: Estate) -> dict[str, list[str]]:
    """History and holds, without ids and times."""
    history = {
        name: [f"{run.revision[:7]} {run.state} {len(run.outcomes)} {run.plan[:7]}" for run in runs(estate, name)]
        for name in ("web", "manual", "asked", "paused")
    }
    with remembering(estate) as memory:
        holds = [f"{hold.application} {hold.kind} {hold.digest[:7]}" for hold in memory.holds()]
    return {**history, "holds": holds}


def world(estate: Estate, identities: dict[str, str]) -> dict[str, tuple[int | None, bool, int]]:
    """Each object: its size, whether it is the one that was there before, and how often it was written."""
    return {
        key: (record.entry.body["spec"].get("size"), identities.get(key) == record.entry.uid, record.entry.generation)
        for key, record in estate.world().objects().items()
    }


def test_killed_at_any_moment_of_the_very_first_walk_it_ends_all_the_same(estate: Estate, tmp_path: Path) -> None:
    commit = estate.commit({"trueup.yaml": documents(target(), application()), "web/a.yaml": documents(thing("a"), thing("b", 1))})
    with mortal(tmp_path) as somebody:
        crashing = Crashing(estate, somebody)
        assert crashing.command("apply") == 0
        moments = [moment for moment in somebody.moments() if moment.name in EFFECTS]
        for moment in moments:
            shutil.rmtree(estate.state)
            assert crashing.command("apply", dies=moment) == -9, moment
            for _ in range(2):  # the second one finds that nothing is open
                assert crashing.command("apply") == 0, (moment, somebody.said)
            assert [record.entry.generation for record in estate.world().objects().values()] == [1, 1], moment
            assert [(run.state, run.revision, len(run.outcomes)) for run in runs(estate)] == [(RunState.SUCCEEDED, commit, 2)], moment


def test_a_job_runs_once_wherever_its_walk_was_killed(estate: Estate, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"

    def commit_a_job(number: int) -> None:
        command = ["sh", "-c", f"sleep 0.1; echo {number} >> {ledger}"]
        job = {"apiVersion": "host.trueup.dev/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": {"command": command}}
        estate.commit({"trueup.yaml": documents(target(runtime="host"), application()), "web/a.yaml": documents(job)})

    moments = [
        *(Moment(name, 1) for name in ("apply begins", "an action is done", "an outcome is taken", "apply ends", "observe begins")),
        *(Moment("a write is all but done", number) for number in range(6, 11)),
    ]
    with mortal(tmp_path) as somebody:
        crashing = Crashing(estate, somebody)
        for number, moment in enumerate(moments):
            commit_a_job(number)
            assert crashing.command("apply", dies=moment) == -9, moment
            assert crashing.command("apply") == 0, (moment, somebody.said)
            assert ledger.read_text().split() == [str(each) for each in range(number + 1)], moment
