"""``trueup render``: the manifests that applications render to, secrets masked."""

import click

from trueup.cli.session import Session
from trueup.cli.shapes import manifest_list
from trueup.cli.texts.manifests import manifests_text
from trueup.cli.verb import selecting, verb
from trueup.engine.requests import Engine
from trueup.model.selection import Selection
from trueup.model.source import Repository


@verb("render", outputs=("yaml", "json"))
@selecting(everything=False)
@click.option("--revision", metavar="REV", default="", help="A commit; left out: the head of the followed branch.")
def command(session: Session, selection: Selection, revision: str) -> int:
    """The manifests that applications render to, as they would be applied. Secrets are masked."""

    async def walk(engine: Engine, repository: Repository) -> int:
        rendered = await engine.render(repository, selection, revision)
        if session.output == "json":
            session.views.show_document(manifest_list(each for _, manifests in rendered for each in manifests))
        else:
            session.views.show_raw(manifests_text(rendered))
        return 0

    return session.run(walk)
