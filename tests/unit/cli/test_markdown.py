"""Plans as a comment on a pull request."""

import re
from pathlib import Path

from trueup.cli.markdown import LONGEST, code, plan_markdown
from trueup.model.manifest import Key
from trueup.model.plan import Action, Change, Hold, Plan, Verb, plan_of
from trueup.model.wire import decode

CASES = Path(__file__).parents[2] / "cases" / "views"


def planned(application: str, value: str) -> Plan:
    action = Action(verb=Verb.UPDATE, key=Key("File", "x"), changes=(Change("content", "before", value),))
    return plan_of(application, "laptop", "r", "3f2a9c1d", [action])


def test_the_table_is_in_sight_and_the_details_are_folded() -> None:
    comment = plan_markdown(decode((CASES / "plan-several.json").read_bytes(), list[Plan]), everything=False)
    assert comment.startswith("### Trueup plan: 0 to create, 1 to update, 1 to delete; 5 unchanged\n")
    assert "| <code>api</code> | <code>prod</code> | <code>aaaaaaa</code> | 0 | 1 | 0 | 0 | 0 |  |" in comment
    assert (
        "| <code>old</code> | <code>prod</code> | <code>ccccccc</code> | 0 | 0 | 0 | 0 | 1 | <code>paused: incident 12</code> |" in comment
    )
    assert comment.count("<details>") == comment.count("</details>") == 2
    assert "\n```diff\n~   Deployment.apps/shop/api\n" in comment


def test_no_value_leaves_its_code() -> None:
    evil = "</details>\n```\n<img src=x onerror=alert(1)>\n@everyone\n````\n[x](javascript:y)"
    comment = plan_markdown([planned("web", evil)], everything=False)
    fence, body = re.search(r"^(`{3,})diff\n(.*?)\n\1$", comment, re.MULTILINE | re.DOTALL).groups()  # type: ignore[union-attr]
    assert all(part in body for part in ("<img", "@everyone", "</details>"))
    assert len(fence) > 4
    outside = comment.replace(body, "")
    assert "<img" not in outside
    assert "@" not in outside


def test_names_and_reasons_are_no_markup() -> None:
    plan = planned("web", "x")
    held = Plan(application="w|b<b>`*_", target="@me", repository="r", revision="1", held=Hold("approval", "a\n| b"), actions=plan.actions)
    comment = plan_markdown([held], everything=False)
    row = comment.split("\n")[4]
    assert row.count("|") == 10
    assert "@" not in row
    assert "<b>" not in comment.partition("```diff")[0]
    assert "`" not in code("a`b") + code("*_[]()#!~\\")
    assert code("a\nb") == "<code>a&#92;nb</code>"


def test_a_comment_is_bounded() -> None:
    comment = plan_markdown([planned(f"application-{number}", "y" * 400) for number in range(1000)], everything=False)
    assert len(comment) < LONGEST + 200
    assert re.search(r"\nand \d+ more applications\n", comment)
    assert re.search(r"\n\d+ more applications not shown in detail: `trueup plan` shows all\.\n$", comment)


def test_nothing_to_do_says_so() -> None:
    assert "Nothing to do" in plan_markdown([], everything=False)
