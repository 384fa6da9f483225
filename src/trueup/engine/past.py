"""An application at any commit of its repository: as it was declared then, what it rendered to, and from which inputs."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from trueup.engine.discover import Found, discover, ignored, is_declaration
from trueup.engine.equipment import Equipment
from trueup.engine.render import Unrendered
from trueup.model.application import Application, Target
from trueup.model.contracts import Tree
from trueup.model.errors import DeclarationError, Fault
from trueup.model.manifest import Key, Manifest
from trueup.model.memory import Input
from trueup.model.source import Repository

KEPT_MOMENTS: Final = 8


@dataclass(frozen=True, slots=True)
class Moment:
    """An application at one commit.

    ``application`` is as it was declared there, None when it was not. With ``faults`` it could not be rendered: nothing can be said of its
    manifests, and ``inputs`` are what had to change for that. ``literal``: each manifest stands in its origin file as it is.
    """

    commit: str
    inputs: tuple[Input, ...] = ()
    application: Application | None = None
    target: Target | None = None
    manifests: Mapping[Key, Manifest] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    literal: bool = False


class Past:
    """The past of one application, known by its name and by where it is declared now. Blocks."""

    def __init__(self, equipment: Equipment, repository: Repository, application: Application) -> None:
        self.mirror = equipment.following(repository).mirror
        self.application = application
        self._kinds = equipment.kinds
        self._renders = equipment.renders
        self._folder = repository.path
        self._target = equipment.memory.target(application.repository, application.target)
        self._found: dict[tuple[str, str], Found] = {}
        self._kept: OrderedDict[str, Moment] = OrderedDict()

    def at(self, commit: str) -> Moment:
        """The application at a commit. Raises Unreachable when the commit is not here."""
        moment = self._kept.get(commit) or self._look(commit)
        self._kept[commit] = moment
        self._kept.move_to_end(commit)
        if len(self._kept) > KEPT_MOMENTS:
            self._kept.popitem(last=False)
        return moment

    def ruled(self, commit: str) -> Application:
        """As it was declared at a commit, where policy, dependencies and target are as they are now. Raises DeclarationError."""
        now = self.application
        then, _ = self._declared(self.mirror.tree(commit), set())
        if then is None:
            message = f"application `{now.name}` was not declared at {commit[:7]}"
            raise DeclarationError([Fault(now.file, 0, 0, message, "choose a commit that declares it")])
        rules = {"policy": now.policy, "depends_on": now.spec.depends_on, "target": now.target}
        return msgspec.structs.replace(then, spec=then.spec.model_copy(update=rules))

    def _look(self, commit: str) -> Moment:
        tree = self.mirror.tree(commit)
        read: set[str] = set()
        try:
            application, target = self._declared(tree, read)
        except DeclarationError as error:
            inputs = tuple(Input("file", file, tree.object_id(file) or "") for file in sorted(read))
            return Moment(commit, inputs, self.application, self._target, faults=error.faults)
        if application is None:
            return Moment(commit)
        try:
            rendering = self._renders.render(application, target, tree)
        except Unrendered as error:
            return Moment(commit, error.inputs, application, target, faults=error.faults)
        manifests = {manifest.key: manifest for manifest in rendering.manifests}
        return Moment(commit, rendering.inputs, application, target, manifests, literal=rendering.literal)

    def _declared(self, tree: Tree, read: set[str]) -> tuple[Application | None, Target | None]:
        """The application and its target: where they are declared now, or else anywhere. ``read`` takes the files that were looked at."""
        near = [self.application.file, self._target.file if self._target else ""]
        application, target, _ = self._among(tree, near, read)
        if target is not None:
            return application, target
        application, target, faults = self._among(tree, filter(is_declaration, tree.walk(self._folder)), read)
        if application is not None and target is None:
            message = f"target `{application.target}` does not exist"
            faults.append(Fault(application.file, application.line, 0, message, "declare it as `kind: Target`"))
        # Absent is not broken: while anything has a fault, nothing is concluded from what is not there.
        if target is None and faults:
            raise DeclarationError(faults)
        return application, target

    def _among(self, tree: Tree, files: Iterable[str], read: set[str]) -> tuple[Application | None, Target | None, list[Fault]]:
        there = self._visible(tree, files)
        read.update(there)
        found = [self._read(tree, file) for file in there]
        application = next((each for one in found for each in one.applications if each.name == self.application.name), None)
        wanted = application.target if application else ""
        target = next((each for one in found for each in one.targets if each.name == wanted), None)
        return application, target, [fault for one in found for fault in one.faults]

    def _visible(self, tree: Tree, files: Iterable[str]) -> list[str]:
        there = [file for file in dict.fromkeys(files) if file and tree.kind(file) == "file"]
        hidden = ignored(tree, self._folder, there)
        return [file for file in there if file not in hidden]

    def _read(self, tree: Tree, file: str) -> Found:
        """What a file declares; one that did not change from commit to commit is read once."""
        name = (file, tree.object_id(file) or "")
        if name not in self._found:
            self._found[name] = discover(self.application.repository, tree, [file], self._kinds)
        return self._found[name]
