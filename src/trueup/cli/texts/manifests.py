"""Rendered manifests -> YAML, each with a comment that says where it comes from."""

from collections.abc import Sequence

from trueup.cli.layout import short, visible
from trueup.model.answer import Rendered
from trueup.model.wire import plain
from trueup.toolkit.emitter import dump


def manifests_text(rendered: Sequence[tuple[str, Sequence[Rendered]]]) -> str:
    """Documents divided by ``---``."""
    return "".join(_document(application, each) for application, manifests in rendered for each in manifests)


def _document(application: str, each: Rendered) -> str:
    line = f":{each.origin.line}" if each.origin.line else ""
    commit = f", {short(each.origin.commit)}" if each.origin.commit else ""
    return f"---\n# {visible(f'{application}: {each.origin.file}{line}{commit}')}\n{dump(plain(each.manifest))}"
