"""Declarations that are wrong are told with file, line and suggestion; absent is not broken, and one broken file stops nobody else."""

from typing import Any

import pytest

from tests.end_to_end.estate import Estate, Files, Operator, application, documents, eventually, target, thing
from trueup.model.errors import DeclarationError, Fault
from trueup.model.run import RunState, Sync
from trueup.toolkit.git.working_tree import WorkingTree

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def _folders(count: int, prefix: str = "apps") -> Files:
    files: Files = {"targets.trueup.yaml": documents(target())}
    for number in range(count):
        name = f"app{number:03}"
        files[f"{prefix}/{name}/trueup.yaml"] = documents(application(name, path="."))
        files[f"{prefix}/{name}/thing.yaml"] = documents(thing(name))
    return files


def _moved(files: Files, before: str, after: str) -> Files:
    moved: Files = {path: None for path in files if path.startswith(before + "/")}
    moved.update({after + path[len(before) :]: content for path, content in files.items() if path.startswith(before + "/")})
    return moved


async def _checked(estate: Estate, files: Files) -> list[Fault]:
    """Every fault that ``check`` finds in these files."""
    estate.commit(files)
    async with estate.operator() as operator:
        commit = (await operator.follow()).commit
        tree = operator.engine.equipment.following(operator.repository).mirror.tree(commit)
        return await operator.engine.check(tree, "")


# ---------------------------------------------------------------------- what is told


@pytest.mark.parametrize(
    ("declaration", "line", "message", "hint"),
    [
        ({"apiVersion": "trueup.dev/v2", "kind": "Target"}, 1, "unknown apiVersion `trueup.dev/v2`", "write `apiVersion: trueup.dev/v1`"),
        ({"apiVersion": "trueup.dev/v1", "kind": "Aplication"}, 2, "unknown kind `Aplication`", "did you mean `Application`?"),
        ({"apiVersion": "trueup.dev/v1", "kind": "ApplicationSet"}, 2, "kind ApplicationSet is not supported yet", ""),
        (application("web", dependson=[]), 8, "unknown key `spec.dependson`", "did you mean `dependsOn`?"),
        (application("web", policy={"selfheal": True}), 9, "unknown key `spec.policy.selfheal`", "did you mean `selfHeal`?"),
        (application("web", policy={"timeout": 5}), 9, "`spec.policy.timeout`: write a duration such as", ""),
        (application("web", target="hers"), 1, "target `hers` does not exist", "did you mean `here`?"),
        (application("web", dependsOn=["wab"]), 1, "`dependsOn` names `wab`, which does not exist", "did you mean `web`?"),
        (application("web", path="../.."), 7, "`../..` leaves the repository", ""),
        (application("web", render={"with": "plane"}), 9, "unknown renderer `plane`", "did you mean `plain`?"),
        (target("here", runtime="memry"), 6, "unknown runtime `memry`", "did you mean `memory`?"),
        (target("here", dely="1s"), 8, "unknown key `spec.dely`", "did you mean `delay`?"),
        ({"apiVersion": "trueup.dev/v1", "kind": "Target", "metadata": {}, "spec": {}}, 3, "`metadata.name` is missing", ""),
    ],
)
async def test_a_fault_is_told_with_file_line_and_suggestion(
    estate: Estate, declaration: dict[str, Any], line: int, message: str, hint: str
) -> None:
    files: Files = {"b/trueup.yaml": documents(declaration), "web/a.yaml": documents(thing("a"))}
    if declaration["kind"] != "Target":
        files["a.trueup.yaml"] = documents(target())
    faults = [fault for fault in await _checked(estate, files) if fault.file == "b/trueup.yaml"]
    assert (faults[0].line, faults[0].message.startswith(message)) == (line, True), faults
    assert hint in faults[0].hint


async def test_every_fault_of_every_file_is_told_at_once(estate: Estate) -> None:
    estate.commit(
        {
            "a/trueup.yaml": documents(target(), application("one", path=".", taret="x"), application("two", pth=".")),
            "b/trueup.yaml": "a: [\n",
            "c/trueup.yaml": documents(application("three", path=".")),
            "c/one.yaml": "x: 1\n",
            "c/two.yaml": "y: 2\n",
        }
    )
    said = estate.trueup("check", "-o", "json", cwd=estate.workplace.clone)
    assert said.code == 1
    places = [(item["file"], item["line"]) for item in said.document["items"]]
    assert [place[0] for place in places] == ["a/trueup.yaml", "a/trueup.yaml", "b/trueup.yaml", "c/one.yaml", "c/two.yaml"]


async def test_a_folder_is_checked_by_itself_with_what_it_names_elsewhere(estate: Estate) -> None:
    estate.commit(
        {
            "trueup.yaml": documents(target(), application("web")),
            "web/a.yaml": "a: [",
            "shop/trueup.yaml": documents(application("shop", path=".", dependsOn=["web"]), application("stray", "gone", path=".")),
            "shop/a.yaml": documents(thing("a")),
            "copy/shop/trueup.yaml": documents(application("shop", path=".")),
        }
    )
    said = estate.trueup("check", "shop", "-o", "json", cwd=estate.workplace.clone)
    assert [(item["file"], item["line"], item["message"]) for item in said.document["items"]] == [
        ("shop/trueup.yaml", 11, "target `gone` does not exist")
    ]


async def test_cycles_are_named_when_declarations_are_checked(estate: Estate) -> None:
    faults = await _checked(
        estate,
        {
            "trueup.yaml": documents(
                target(),
                application("a", path=".", dependsOn=["b"]),
                application("b", path=".", dependsOn=["c"]),
                application("c", path=".", dependsOn=["a"]),
                application("outside", path=".", dependsOn=["a"]),
                application("narcissus", path=".", dependsOn=["narcissus"]),
            )
        },
    )
    messages = {fault.message for fault in faults}
    assert messages == {
        "`dependsOn` goes round in a circle: a -> b -> c -> a",
        "`dependsOn` goes round in a circle: narcissus -> narcissus",
    }


async def test_two_applications_of_one_name_are_told_at_both_places_and_neither_is_applied(estate: Estate) -> None:
    estate.commit({"trueup.yaml": documents(target(), application("web")), "web/a.yaml": documents(thing("a", of="first"))})
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit({"b/trueup.yaml": documents(application("web", path=".")), "b/b.yaml": documents(thing("b"))})
        assert await operator.apply() == []
        assert isinstance(operator.problem, DeclarationError)
        assert [(fault.file, fault.line) for fault in operator.problem.faults] == [("b/trueup.yaml", 1), ("trueup.yaml", 9)]
        assert "also at trueup.yaml:9" in operator.problem.message
        assert estate.world().names() == ["Thing/a"]
        estate.commit({"b/trueup.yaml": None})
        assert [run.state for run in await operator.apply()] in ([], [RunState.SUCCEEDED])
        assert (await operator.status("web")).sync == Sync.SYNCED


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"web/a.yaml": b"name: caf\xe9\n"}, "UTF-8"),
        ({"web/a.yaml": BOMB}, ""),
        ({"web/a.yaml": "a: 1\na: 2\n"}, "twice"),
        ({"web/a.yaml": documents(thing("a"), thing("a"))}, "Thing/a is declared twice"),
        ({"web/a.yaml": documents({**thing("a"), "metadata": {"name": "a", "annotations": {"trueup.dev/wave": "soon"}}})}, "wave"),
        ({"web/a.yaml": documents(thing("a", source="nowhere"))}, "names `nowhere`: there is no such file"),
        ({"web/a.yaml": documents(thing("a", source="../../etc"))}, "leaves the repository"),
        ({"web/a.yaml": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"}, "Git LFS"),
        ({"web/a.yaml": documents(thing("a", health="splendid"))}, "is no health"),
    ],
    ids=["not utf-8", "bomb", "key twice", "object twice", "wave", "no source", "leaves", "lfs", "objection"],
)
async def test_a_broken_manifest_leaves_everything_as_it_is(estate: Estate, files: Files, message: str) -> None:
    estate.commit({"trueup.yaml": documents(target(), application("web")), "web/a.yaml": documents(thing("a"))})
    async with estate.operator() as operator:
        await operator.apply()
        before = estate.world().objects()
        estate.commit(files)
        assert await operator.apply() == []
        assert isinstance(operator.problem, DeclarationError), operator.problem
        fault = operator.problem.faults[0]
        assert (fault.file, fault.line > 0 or "LFS" in message or "UTF" in message, bool(fault.hint)) == ("web/a.yaml", True, True), fault
        assert message in fault.message
        status = await operator.status("web")
        assert status.sync == Sync.FAILED
        assert "web/a.yaml" in status.message
        mended = estate.commit({"web/a.yaml": documents(thing("a", size=2))})
        assert [(run.state, run.revision) for run in await operator.apply()] == [(RunState.SUCCEEDED, mended)]
    assert before["Thing/a"].entry.uid == estate.world().identity("Thing/a")


async def test_a_manifest_of_a_hundred_megabytes_is_refused_with_its_size(estate: Estate) -> None:
    estate.commit({"trueup.yaml": documents(target(), application("web")), "web/a.yaml": b"# " + b"x" * 100 * 1024 * 1024})
    async with estate.operator() as operator:
        assert await operator.apply() == []
        assert isinstance(operator.problem, DeclarationError)
        assert operator.problem.faults[0].file == "web/a.yaml"
        assert "104857602 bytes" in operator.problem.message


async def test_a_link_that_leaves_the_tree_is_refused(estate: Estate) -> None:
    estate.commit({"trueup.yaml": documents(target(), application("web")), "web/a.yaml": documents(thing("a"))})
    for name, leads_to in (("outside.yaml", "/etc/passwd"), ("above.yaml", "../../secret.yaml")):
        (estate.workplace.clone / "web" / name).symlink_to(leads_to)
        estate.commit({})
        async with estate.operator() as operator:
            assert await operator.apply() == []
            assert isinstance(operator.problem, DeclarationError)
            assert f"web/{name}" in str(operator.problem.faults[0]), operator.problem.faults
        (estate.workplace.clone / "web" / name).unlink()


async def test_a_submodule_is_named(estate: Estate) -> None:
    estate.commit({"trueup.yaml": documents(target(), application("web")), "web/a.yaml": documents(thing("a", source="vendor/x.txt"))})
    estate.workplace.git("update-index", "--add", "--cacheinfo", f"160000,{estate.workplace.head()},web/vendor")
    estate.workplace.git("commit", "--quiet", "-m", "a submodule")
    estate.workplace.push("origin", "main")
    async with estate.operator() as operator:
        assert await operator.apply() == []
        assert isinstance(operator.problem, DeclarationError)
        assert "submodule" in operator.problem.message
        assert "web/vendor" in f"{operator.problem.message} {operator.problem.where}"


# ---------------------------------------------------------------------- absent is not broken


async def test_one_broken_file_never_stops_the_applications_of_the_others(estate: Estate) -> None:
    estate.commit(_folders(3))
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit({"apps/app000/trueup.yaml": "a: [\n", "apps/app000/thing.yaml": documents(thing("new"))})
        estate.commit({"apps/app001/thing.yaml": documents(thing("app001", size=2))})
        runs = await operator.apply()
        assert [(run.application, run.state) for run in runs] == [("app001", RunState.SUCCEEDED)]
        assert (await operator.status("app000")).message.startswith("apps/app000/trueup.yaml:2")
    assert estate.world().names() == ["Thing/app000", "Thing/app001", "Thing/app002"]


async def test_an_application_that_vanishes_while_another_is_broken_stays(estate: Estate) -> None:
    files = _folders(3)
    estate.commit(files)
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit({"apps/app000/trueup.yaml": "a: [\n", "apps/app001/trueup.yaml": None, "apps/app001/thing.yaml": None})
        await operator.apply()
        assert "others are broken" in (await operator.status("app001")).message
        assert len(estate.world().names()) == 3
        estate.commit({"apps/app000/trueup.yaml": files["apps/app000/trueup.yaml"]})
        runs = await operator.apply()
        assert {run.application: run.state for run in runs}["app001"] is RunState.HELD
        assert "its declaration is gone" in (await operator.status("app001")).message
    assert len(estate.world().names()) == 3


async def test_a_commit_that_removes_more_than_ten_applications_is_held_whole(estate: Estate) -> None:
    files = _folders(500)
    first = estate.commit(files)
    async with estate.operator() as operator:
        await operator.follow()
        for name in ("app000", "app499"):
            await operator.apply(name)
        gone: Files = {path: None for path in files if path.startswith("apps/") and not path.startswith("apps/app000/")}
        second = estate.commit({**gone, "apps/app000/thing.yaml": documents(thing("changed"))})
        followed = await operator.follow()
        assert (followed.commit, followed.head) == (first, second), "all of the commit is held, not only what it removes"
        assert followed.hold is not None
        assert followed.hold.reason.startswith(f"{second[:7]} removes 499 applications (app001, app002")
        assert [hold.kind for hold in await operator.waiting()] == ["removal"]
        assert len(await operator.revisions()) == 500
        said = estate.trueup("apply", "--app", "app000")
        assert (said.code, "removes 499 applications" in said.err) == (3, True), said.err
        assert estate.trueup("approve", "--repository").code == 0
        assert await operator.revisions() == {"app000": second}
        assert await operator.waiting("app499") == []
        runs = await operator.apply("app499")
        assert [run.state for run in runs] == [RunState.HELD], "each that was applied is held by its own policy all the same"
    assert estate.world().names() == ["Thing/app000", "Thing/app499"]


async def test_folders_that_are_renamed_remove_nothing(estate: Estate) -> None:
    files = _folders(30)
    estate.commit(files)
    async with estate.operator() as operator:
        await operator.apply()
        before = {key: record.entry.uid for key, record in estate.world().objects().items()}
        commit = estate.commit(_moved(files, "apps", "services"))
        followed = await operator.follow()
        assert followed.hold is None
        runs = await operator.apply()
        assert {run.state for run in runs} == {RunState.SUCCEEDED}
        assert set((await operator.revisions()).values()) == {commit}
    assert {key: record.entry.uid for key, record in estate.world().objects().items()} == before


async def test_folders_that_are_renamed_and_broken_in_one_commit_remove_nothing(estate: Estate) -> None:
    files = _folders(30)
    estate.commit(files)
    async with estate.operator() as operator:
        await operator.apply()
        moved = _moved(files, "apps", "services")
        moved["services/app000/trueup.yaml"] = "a: [\n"
        estate.commit(moved)
        followed = await operator.follow()
        assert [fault.place for fault in followed.faults] == ["services/app000/trueup.yaml:2"]
        await operator.apply()
        assert len(estate.world().names()) == 30
        assert "stays as it is" in (await operator.status("app000")).message
        assert "fault: services/app000/trueup.yaml:2: " in estate.log.getvalue()
        assert await operator.waiting() == []
        mended = estate.commit({"services/app000/trueup.yaml": files["apps/app000/trueup.yaml"]})
        await operator.apply()
        assert (await operator.status("app000")).revision == mended
    assert len(estate.world().names()) == 30


async def test_a_trueupignore_hides_folders_and_what_it_hides_is_removed_only_by_approval(estate: Estate) -> None:
    files = _folders(3)
    estate.commit({**files, ".trueupignore": "apps/app001/\n"})
    async with estate.operator() as operator:
        await operator.apply()
        assert estate.world().names() == ["Thing/app000", "Thing/app002"]
        estate.commit({".trueupignore": "apps/app00[12]/\n"})
        runs = await operator.apply()
        assert [(run.application, run.state) for run in runs] == [("app002", RunState.HELD)]
        estate.commit({".trueupignore": None})
        runs = await operator.apply()
        assert (sorted(await operator.revisions()), await operator.waiting()) == (["app000", "app001", "app002"], [])
    assert estate.world().names() == ["Thing/app000", "Thing/app001", "Thing/app002"]


async def test_an_empty_repository_and_a_missing_branch_say_so_and_the_next_commit_is_applied(estate: Estate) -> None:
    async with estate.served() as operator:
        await eventually(lambda: "is empty" in estate.log.getvalue())
        estate.commit({"trueup.yaml": documents(target(), application("web")), "web/a.yaml": documents(thing("a"))})
        await eventually(lambda: estate.world().names() == ["Thing/a"])

        async def is_synced() -> bool:
            return (await operator.status("web")).sync == Sync.SYNCED

        await eventually(is_synced)
    said = estate.trueup("plan", "--branch", "nowhere")
    assert said.code == 1
    assert "there is no branch or tag `nowhere`" in said.err
    assert "branches there: main" in said.err


async def test_what_is_wrong_at_another_commit_is_told_by_its_plan(estate: Estate) -> None:
    estate.commit({"trueup.yaml": documents(target(), application("web")), "web/a.yaml": documents(thing("a"))})
    estate.workplace.git("switch", "--quiet", "--create", "proposal")
    both = documents(target(), application("web"), application("api"))
    commit = estate.workplace.commit({"web/a.yaml": "a: [\n", "trueup.yaml": both, "api/b.yaml": documents(thing("b"))}, push=False)
    estate.workplace.push("origin", "proposal")
    async with estate.operator() as operator:
        with pytest.raises(DeclarationError) as raised:
            await operator.plan(revision=commit)
        assert raised.value.faults[0].place == "web/a.yaml:2"
        assert await _names(operator) == ["web"]
    for asked in (["--revision", commit], ["--working-tree"]):
        said = estate.trueup("plan", *asked, cwd=estate.workplace.clone)
        assert (said.code, "api on here" in said.out, "web/a.yaml:2" in said.err) == (1, True, True), said


async def test_a_declaration_that_was_broken_from_the_start_is_told_by_every_command(estate: Estate) -> None:
    estate.commit({"trueup.yaml": documents(target(), application("web")), "web/a.yaml": documents(thing("a"))})
    async with estate.operator() as operator:
        await operator.apply()
        estate.workplace.git("switch", "--quiet", "--create", "proposal")
        commit = estate.workplace.commit({"new/trueup.yaml": "a: [\n"}, push=False)
        estate.workplace.push("origin", "proposal")
        with pytest.raises(DeclarationError):
            await operator.plan(revision=commit)
        assert await operator.plan("web", revision=commit) != []
        estate.workplace.push("origin", "proposal:main")
        with pytest.raises(DeclarationError):
            await operator.plan()
        await operator.apply()
        assert isinstance(operator.problem, DeclarationError)
        assert operator.problem.where == "new/trueup.yaml:2"
        assert await operator.apply("web") == []
        assert operator.problem is None


async def test_the_working_tree_tells_what_is_wrong_in_it_and_of_what_is_meant_alone(estate: Estate) -> None:
    estate.commit({"trueup.yaml": documents(target(), application("web"), application("api")), "web/a.yaml": documents(thing("a"))})
    estate.commit({"api/a.yaml": documents(thing("b"))})
    broken: Files = {
        "new/trueup.yaml": "a: [\n",
        "trueup.yaml": documents(target(), application("web"), application("api", dependsOn=["wbe"])),
    }
    estate.workplace.write(broken)
    tree = await WorkingTree.open(estate.workplace.clone)
    async with estate.operator() as operator:
        with pytest.raises(DeclarationError) as raised:
            await operator.plan(tree=tree)
        assert [fault.place for fault in raised.value.faults] == ["new/trueup.yaml:2", "trueup.yaml:17"]
        assert [plan.application for plan in await operator.plan("web", tree=tree)] == ["web"]
        with pytest.raises(DeclarationError) as raised:
            await operator.plan("api", tree=tree)
        assert [fault.place for fault in raised.value.faults] == ["trueup.yaml:17"]


async def _names(operator: Operator) -> list[str]:
    return sorted(await operator.revisions())
