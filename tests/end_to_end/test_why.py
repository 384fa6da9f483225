"""Which commit, file and line set a value; never a wrong one."""

from typing import Any

import pytest

from tests.end_to_end.estate import Estate, Operator, application, documents, target, thing
from tests.end_to_end.machine import file
from tests.end_to_end.random_histories import write_history
from trueup.model.answer import Why
from trueup.model.errors import UsageError
from trueup.model.manifest import Key
from trueup.model.run import RunState

DECLARED = documents(target(), application())


async def why(operator: Operator, key: str, field: str = "", depth: int = 200, seen: list[int] | None = None) -> Why:
    return await operator.engine.why(operator.repository, "web", key, field, depth, (seen if seen is not None else []).append)


async def asked(estate: Estate, field: str = "", key: str = "Thing/a", depth: int = 200) -> Why:
    async with estate.operator() as operator:
        return await why(operator, key, field, depth)


def a(*lines: str, name: str = "a") -> str:
    """A thing whose ``spec`` has these lines; they begin at line 5."""
    return "\n".join(
        ["apiVersion: memory.trueup.dev/v1", "kind: Thing", f"metadata: {{name: {name}}}", "spec:", *(f"  {line}" for line in lines), ""]
    )


def set_by(why: Why) -> tuple[str, str, int, bool]:
    return why.commit, why.file, why.line, why.exact


# ---------------------------------------------------------------------- what set it


async def test_a_field_is_traced_to_its_commit_file_and_line(estate: Estate) -> None:
    estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1", "color: red")})
    estate.workplace.git("config", "user.name", "Ada")
    commit = estate.commit({"web/a.yaml": a("size: 2", "color: red")}, "grow\n\nbecause it was small")
    estate.commit({"web/a.yaml": a("size: 2", "color: blue")})
    found = await asked(estate, "spec.size")
    assert set_by(found) == (commit, "web/a.yaml", 5, True)
    assert (found.desired, found.author, found.subject) == (2, "Ada", "grow")


async def test_a_json_pointer_names_the_same_field(estate: Estate) -> None:
    commit = estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1")})
    assert set_by(await asked(estate, "/spec/size")) == (commit, "web/a.yaml", 5, True)


async def test_a_line_that_moves_was_not_set_by_what_moved_it(estate: Estate) -> None:
    commit = estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1")})
    estate.commit({"web/a.yaml": a("color: red", "shape: round", "size: 1")})
    found = await asked(estate, "spec.size")
    assert set_by(found) == (commit, "web/a.yaml", 5, True)


@pytest.mark.parametrize("line", ["size: 1  # one", "size:   1", '"size": 1', "size: 0x1"])
async def test_a_line_that_only_reads_differently_was_not_set_by_that(estate: Estate, line: str) -> None:
    commit = estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1")})
    estate.commit({"web/a.yaml": a(line)})
    assert (await asked(estate, "spec.size")).commit == commit


async def test_a_file_that_is_renamed_set_nothing(estate: Estate) -> None:
    commit = estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1")})
    estate.commit({"web/a.yaml": None, "web/z.yaml": a("size: 1")})
    assert set_by(await asked(estate, "spec.size")) == (commit, "web/a.yaml", 5, True)


async def test_an_object_that_moves_to_another_file_was_not_set_by_the_move(estate: Estate) -> None:
    commit = estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1"), "web/b.yaml": a(name="b")})
    estate.commit({"web/a.yaml": None, "web/b.yaml": a(name="b") + "---\n" + a("size: 1")})
    assert set_by(await asked(estate, "spec.size")) == (commit, "web/a.yaml", 5, True)
    assert set_by(await asked(estate)) == (commit, "web/a.yaml", 1, True)


@pytest.mark.parametrize("field", ["spec.size", "spec", ""])
async def test_a_value_that_changed_and_changed_back_was_set_by_the_last_change(estate: Estate, field: str) -> None:
    estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1", "color: red")})
    estate.commit({"web/a.yaml": a("size: 2", "color: red")})
    back = estate.commit({"web/a.yaml": a("size: 1", "color: red")})
    assert set_by(await asked(estate, field)) == (back, "web/a.yaml", 5, True)


async def test_a_value_that_changed_back_elsewhere_is_not_told_by_its_line(estate: Estate) -> None:
    """The line `size: *size` never changes: blame points to the first commit, and that would be wrong."""
    commits = [estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a(f"known: &size {size}", "size: *size")}) for size in (1, 2, 1)]
    assert (await asked(estate, "spec.size")).commit == commits[-1]


async def test_what_a_merge_brought_in_was_set_by_the_merge(estate: Estate) -> None:
    estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1", "color: red")})
    place = estate.workplace
    place.git("checkout", "-q", "-b", "side")
    place.commit({"web/a.yaml": a("size: 2", "color: red")}, push=False)
    place.git("checkout", "-q", "main")
    place.commit({"README": "hello"}, push=False)
    place.git("merge", "-q", "--no-ff", "-m", "merge it", "side")
    place.push("origin", "main")
    found = await asked(estate, "spec.size")
    assert (found.commit, found.subject, found.file, found.line) == (place.head(), "merge it", "web/a.yaml", 5)


async def test_an_item_of_a_list_is_known_by_its_name(estate: Estate) -> None:
    items = ["parts:", "- name: one", "  size: 1", "- name: two", "  size: 1"]
    estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a(*items)})
    commit = estate.commit({"web/a.yaml": a(*items[:4], "  size: 2")})
    estate.commit({"web/a.yaml": a("parts:", "- name: zero", "  size: 2", *items[1:4], "  size: 2")})
    assert set_by(await asked(estate, "spec.parts[name=two].size")) == (commit, "web/a.yaml", 9, True)


async def test_the_content_that_an_object_takes_along_is_a_part_of_it(estate: Estate) -> None:
    files = {"trueup.yaml": DECLARED, "web/a.yaml": a("source: site"), "web/site/index.html": "one", "web/site/style.css": "one"}
    first = estate.commit(dict(files))
    second = estate.commit({"web/site/style.css": "two"})
    estate.commit({"web/b.yaml": a(name="b")})
    assert set_by(await asked(estate)) == (second, "web/site/style.css", 0, True)
    assert set_by(await asked(estate, "spec.source")) == (first, "web/a.yaml", 5, True)


async def test_a_namespace_that_the_declaration_gives_is_traced_to_the_declaration(estate: Estate) -> None:
    body = "apiVersion: v1\nkind: Thing\nmetadata: {name: a}\n"
    estate.commit({"trueup.yaml": documents(target(), application(namespace="one")), "web/a.yaml": body})
    commit = estate.commit({"trueup.yaml": documents(target(), application(namespace="two"))})
    found = await asked(estate, "metadata.namespace")
    assert (found.commit, found.file) == (commit, "trueup.yaml")


async def test_an_object_in_a_list_has_its_line(estate: Estate) -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Thing\n  metadata: {name: a}\n  spec:\n    size: {size}\n"
    estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": text.replace("{size}", "1")})
    commit = estate.commit({"web/a.yaml": text.replace("{size}", "2")})
    assert set_by(await asked(estate, "spec.size")) == (commit, "web/a.yaml", 8, True)


async def test_a_commit_that_could_not_be_rendered_set_nothing(estate: Estate) -> None:
    """It set the value, and broke another file with it: at the target it came with the next one."""
    estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1"), "web/b.yaml": a(name="b")})
    estate.commit({"web/a.yaml": a("size: 2"), "web/b.yaml": a("health: splendid", name="b")})
    mended = estate.commit({"web/b.yaml": a(name="b")})
    assert (await asked(estate, "spec.size")).commit == mended


async def test_a_broken_commit_between_hides_nothing(estate: Estate) -> None:
    commit = estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1")})
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit({"trueup.yaml": "kind: Nonsense\n"})
        estate.commit({"trueup.yaml": DECLARED})
        estate.commit({"web/a.yaml": "a: [\n"})
        found = await why(operator, "Thing/a", "spec.size")
    assert (found.commit, found.desired) == (commit, 1)


async def test_beyond_the_depth_it_says_at_or_before(estate: Estate) -> None:
    """Five commits touch the line and change nothing, so its blame is no proof."""
    commits = [estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1")})]
    commits += [estate.commit({"web/a.yaml": a(f"size: 1  # {number}")}) for number in range(5)]
    seen: list[int] = []
    async with estate.operator() as operator:
        near = await why(operator, "Thing/a", "spec.size", depth=2, seen=seen)
        far = await why(operator, "Thing/a", "spec.size", depth=5)
    assert set_by(near) == (commits[3], "web/a.yaml", 5, False)
    assert near.run == ""
    assert seen[-1] == 2
    assert set_by(far) == (commits[0], "web/a.yaml", 5, True)


async def test_what_blame_proves_needs_no_depth(estate: Estate) -> None:
    commit = estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1", "color: red")})
    for number in range(5):
        estate.commit({"web/a.yaml": a("size: 1", f"color: {number}")})
    assert set_by(await asked(estate, "spec.size", depth=1)) == (commit, "web/a.yaml", 5, True)


async def test_a_secret_is_traced_and_never_shown(estate: Estate) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, labels: {n: '%s'}}\nstringData:\n  password: %s\n"
    estate.commit({"trueup.yaml": DECLARED, "web/s.yaml": secret % (1, "hunter1")})
    commit = estate.commit({"web/s.yaml": secret % (1, "hunter2")})
    estate.commit({"web/s.yaml": secret % (2, "hunter2")})
    async with estate.operator() as operator:
        await operator.apply()
        field, whole = await why(operator, "Secret/s", "stringData.password"), await why(operator, "Secret/s")
    assert set_by(field) == (commit, "web/s.yaml", 5, True)
    assert (field.desired, field.live) == ("(secret)", "(secret)")
    assert "hunter" not in repr((field, whole))


# ---------------------------------------------------------------------- which run applied it


async def test_the_run_that_applied_it_is_the_first_with_this_object(estate: Estate) -> None:
    estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1"), "web/b.yaml": a("size: 1", name="b")})
    async with estate.operator() as operator:
        await operator.apply()
        estate.commit({"web/a.yaml": a("size: 2"), "web/b.yaml": a("size: 1", name="b")})
        (applied,) = await operator.apply()
        estate.commit({"web/b.yaml": a("size: 2", name="b")})
        await operator.apply()
        found = await why(operator, "Thing/a", "spec.size")
    assert applied.state is RunState.SUCCEEDED
    assert (found.run, found.applied_at) == (applied.id, applied.finished_at)


async def test_what_was_never_applied_has_no_run_and_nobody_to_blame(estate: Estate) -> None:
    estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1")})
    async with estate.operator() as operator:
        await operator.apply()
        commit = estate.commit({"web/a.yaml": a("size: 2")})
        found = await why(operator, "Thing/a", "spec.size")
    assert (found.commit, found.desired, found.live, found.run, found.changed_by) == (commit, 2, 1, "", ())


# ---------------------------------------------------------------------- who changed it since


async def tampered(operator: Operator, body: dict[str, Any], manager: str = "kate") -> None:
    """By another hand, whose name the target remembers."""
    declared = await operator.engine.store(operator.engine.memory.target, operator.repository.identity, "here")
    assert declared is not None
    runtime: Any = await operator.engine.equipment.targets.open(declared)
    await runtime.tamper(Key.of(body), body, manager)


async def test_who_changed_it_by_hand_is_told_for_that_field_only(estate: Estate) -> None:
    commit = estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1", "color: red")})
    async with estate.operator() as operator:
        await operator.apply()
        await tampered(operator, thing("a", size=7, color="red"))
        size, color = await why(operator, "Thing/a", "spec.size"), await why(operator, "Thing/a", "spec.color")
    assert (size.commit, size.desired, size.live, [touch.manager for touch in size.changed_by]) == (commit, 1, 7, ["kate"])
    assert (color.live, color.changed_by) == ("red", ())


async def test_when_nobody_is_known_it_says_so(estate: Estate) -> None:
    estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1", "color: red")})
    async with estate.operator() as operator:
        await operator.apply()
        with estate.world()._opened() as world:
            world.tamper(Key("Thing", "a"), thing("a", size=7, color="red"), "", None)
        found = await why(operator, "Thing/a", "/spec/size")
    (touch,) = found.changed_by
    assert (touch.manager, [(each.path, each.before, each.after) for each in touch.changes]) == ("unknown", [("spec.size", 1, 7)])


async def test_a_field_that_only_a_hand_set_is_not_in_git(estate: Estate) -> None:
    estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1")})
    async with estate.operator() as operator:
        await operator.apply()
        await tampered(operator, thing("a", size=1, extra=True))
        found = await why(operator, "Thing/a", "spec.extra")
    assert (found.desired, found.live, found.commit, found.changed_by[0].manager) == (None, True, "", "kate")


async def test_on_this_machine_the_content_of_a_file_is_traced(estate: Estate) -> None:
    settings = documents(file("settings", path="settings.ini", content="mode = one\n", mode="0640"))
    commit = estate.commit({"trueup.yaml": documents(target("here", "host"), application()), "web/settings.yaml": settings})
    async with estate.operator() as operator:
        (run,) = await operator.apply()
        untouched = await why(operator, "File/settings", "spec.content")
        (written,) = estate.state.rglob("settings.ini")
        written.write_text("mode = two\n")
        touched = await why(operator, "File/settings", "spec.content")
    assert (untouched.commit, untouched.live, untouched.run, untouched.changed_by) == (commit, "mode = one\n", run.id, ())
    assert (touched.commit, touched.desired, touched.live) == (commit, "mode = one\n", "mode = two\n")
    assert len(touched.changed_by) == 1


# ---------------------------------------------------------------------- what does not exist


@pytest.mark.parametrize(
    ("key", "field", "told", "hint"),
    [
        ("Thing/nobody", "", "`web` has no object `Thing/nobody`", "it has Thing/a"),
        ("Thing/a", "spec.sise", "`Thing/a` has no field `spec.sise`", "there is color, size"),
        ("Thing/a", "/spec/size/more", "`Thing/a` has no field `/spec/size/more`", "its path goes on below a value that holds no others"),
        ("Thing/a", "spec..size", "the field path spec..size is not understood after 4 characters", "write it like"),
    ],
)
async def test_what_is_not_there_is_told_with_what_is(estate: Estate, key: str, field: str, told: str, hint: str) -> None:
    estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1", "color: red")})
    with pytest.raises(UsageError) as error:
        await asked(estate, field, key)
    assert error.value.message == told
    assert error.value.hint.startswith(hint)


# ---------------------------------------------------------------------- as a person reads it


def test_the_command_tells_it_in_a_block_and_as_json(estate: Estate) -> None:
    commit = estate.commit({"trueup.yaml": DECLARED, "web/a.yaml": a("size: 1")}, "the first")
    assert estate.trueup("apply").code == 0
    said = estate.trueup("why", "web", "Thing/a", "spec.size")
    assert said.code == 0
    assert f"{commit[:7]}  the first" in said.out
    assert "web/a.yaml:5" in said.out
    document = estate.trueup("why", "web", "Thing/a", "spec.size", "-o", "json").document
    assert {name: document[name] for name in ("kind", "key", "commit", "file", "line", "exact", "desired", "live")} == {
        "kind": "Why", "key": "Thing/a", "commit": commit, "file": "web/a.yaml", "line": 5, "exact": True, "desired": 1, "live": 1,
    }  # fmt: skip


# ---------------------------------------------------------------------- by chance


@pytest.mark.parametrize("seed", range(4))
async def test_every_field_of_a_history_by_chance_is_traced_to_the_right_commit(estate: Estate, seed: int) -> None:
    await expect_every_answer_right(estate, seed)


async def expect_every_answer_right(estate: Estate, seed: int) -> None:
    history = write_history(estate.workplace.origin, seed, commits=30)
    async with estate.operator() as operator:
        await operator.follow()
        course = await operator.engine.course(operator.repository, "web")
        seen: list[int] = []
        for name, field in history.questions():
            key = f"Thing/{history.now.namespace}/{name}" if history.now.namespace else f"Thing/{name}"
            expected = history.expected(name, field)
            whole = await operator.engine.reasons.why(course, key, field, 1000, seen.append)
            assert (whole.commit, whole.exact) == (expected, True), (seed, name, field)
            near = await operator.engine.reasons.why(course, key, field, 2, seen.append)
            assert near.commit == expected or (not near.exact and history.place(near.commit) > history.place(expected))
