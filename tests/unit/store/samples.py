"""Nouns to remember, with as little said of them as the test needs."""

from datetime import UTC, datetime

from trueup.model.application import Application, ApplicationSpec, Target, TargetSpec
from trueup.model.manifest import Key
from trueup.model.memory import Address, Advance, Declared, Followed, Input, Lease, Standing
from trueup.model.plan import Action, Change, Plan, Verb, plan_of
from trueup.model.run import Outcome, Run, RunState, Status, new_run_id
from trueup.model.source import Repository

REPOSITORY = Repository("https://git.example.org/estate.git", "main")
ESTATE = REPOSITORY.identity
OTHER = Repository("https://git.example.org/other.git", "main").identity
WEB = Address(ESTATE, "web", "laptop")

ME = Lease("here", "boot", 1, 10)
SOMEBODY = Lease("there", "boot", 2, 20)


def followed(commit: str = "c1") -> Followed:
    return Followed(repository=REPOSITORY, commit=commit, head=commit, reference="refs/heads/main")


def application(name: str = "web", **spec: object) -> Application:
    return Application(
        ESTATE, name, ApplicationSpec.model_validate({"target": "laptop", **spec}), f"{name}/trueup.yaml", 1, {"team": "shop"}
    )


def declared(name: str = "web", revision: str = "c1", keys: tuple[str, ...] = (), **spec: object) -> Declared:
    found = tuple(map(Key.parse, keys))
    return Declared(application=application(name, **spec), revision=revision, digest=f"digest of {name}", keys=found)


def files(*paths: str) -> tuple[Input, ...]:
    return tuple(Input("file", path, "id of " + path) for path in paths)


def target(name: str = "laptop") -> Target:
    return Target(ESTATE, name, TargetSpec.model_validate({"runtime": "host", "root": "/srv"}), "trueup.yaml", 3)


def step(*applications: Declared, commit: str = "c1", inputs: tuple[Input, ...] = ()) -> Advance:
    return Advance(followed=followed(commit), applications=[(each, inputs) for each in applications])


def outcome(name: str, state: str = "done", verb: Verb = Verb.CREATE) -> Outcome:
    return Outcome(Key("Service", name), verb, state)


def run(at: float = 1.0, name: str = "web", state: RunState = RunState.RUNNING, outcomes: tuple[Outcome, ...] = ()) -> Run:
    started = datetime.fromtimestamp(at, UTC)
    return Run(
        id=new_run_id(at),
        repository=ESTATE,
        application=name,
        target="laptop",
        revision="c1",
        started_at=started,
        state=state,
        outcomes=outcomes,
    )


def plan(name: str = "web", *changes: Change) -> Plan:
    return plan_of(name, "laptop", ESTATE, "c1", [Action(verb=Verb.UPDATE, key=Key("Service", name), changes=changes)])


def standing(name: str = "web", target: str = "laptop", revision: str = "c1", repository: str = ESTATE) -> Standing:
    status = Status(repository=repository, application=name, target=target, revision=revision)
    return Standing(application=application(name), status=status, versions={"Service/web": "1"})
