"""A service's containers are made as they are to be: everything that can be refused comes first, and what does badly is taken back."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from trueup.model.contracts import Tree
from trueup.model.errors import Refused
from trueup.runtimes.compose.adjusting import Adjusting
from trueup.runtimes.compose.building import Builder
from trueup.runtimes.compose.company import Company
from trueup.runtimes.compose.content import Piece
from trueup.runtimes.compose.delivery import Delivery
from trueup.runtimes.compose.engine import Engine
from trueup.runtimes.compose.images import Images
from trueup.runtimes.compose.look import Deed, ServiceLook, Step
from trueup.runtimes.compose.making import Maker, stop
from trueup.runtimes.compose.probing import try_ports
from trueup.runtimes.compose.references import reference_of
from trueup.runtimes.compose.signalling import Signalling
from trueup.runtimes.compose.stock import Brought, Stock
from trueup.runtimes.compose.updating import Recipe, Update

_STARTING = (Deed.CREATE, Deed.RECREATE, Deed.RESTART)
_NOT_IN_PLACE = "its files could not be written in place, so it was restarted"


@dataclass(slots=True)
class Mounts:
    """Where the mounts of a service lead, before and after."""

    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)

    @property
    def moved(self) -> dict[str, str]:
        """Those that lead elsewhere afterwards."""
        return {mount: folder for mount, folder in self.after.items() if self.before.get(mount) != folder}

    @property
    def returned(self) -> dict[str, str]:
        """The same, as they were; one that is new stays."""
        return {mount: self.before[mount] for mount in self.moved if mount in self.before}


@dataclass(frozen=True, slots=True)
class Renewal:
    """One service on its way."""

    engine: Engine
    images: Images
    maker: Maker
    look: ServiceLook
    company: Company | None = None

    async def carry_out(self) -> str:
        """Make it so; what is worth saying about it. Raises Refused, DeclarationError."""
        image = await self._image() if any(step.deed in (Deed.CREATE, Deed.RECREATE) for step in self.look.steps) else ""
        note = ""
        steps = list(self.look.steps)
        if any(step.deed is Deed.SIGNAL for step in steps) and not await self._write_in_place():
            steps = [replace(step, deed=Deed.RESTART) if step.deed is Deed.SIGNAL else step for step in steps]
            note = _NOT_IN_PLACE
        await try_ports(self.engine, self.maker.service, steps, self.maker.scene.shot.summaries)
        mounts = await self._delivered() if any(step.deed in _STARTING for step in steps) else Mounts()
        for step in steps:
            await self._touch(step)
        await self._update(steps, image, mounts)
        return note

    async def _image(self) -> str:
        """Have the image; the name that it has at the engine now, which people read in ``docker ps``."""
        build = self.maker.scene.builds.get(self.look.key)
        if build is not None:
            builder = Builder(self.images, self.maker.scene.secret)
            if not await builder.is_built(build):
                image = str(self.maker.service.spec.get("image") or "")
                names = [each for each in (image, *map(str, build.told.get("tags") or ())) if each]
                await self._remember(await builder.build(build, self._tree, image), build.tag, *names)
            return build.tag
        if self.look.image is None:
            raise Refused(f"{self.look.key} names no image")
        wanted, digest = self.look.image.reference, self.look.image.digest
        identity = await self.images.bring(self.look.image, str(self.maker.service.spec.get("platform") or ""))
        if self.look.image.pull:
            await self._remember(identity, wanted.tagged, *([wanted.at(digest)] if digest else []))
        return wanted.tagged

    async def _remember(self, identity: str, *names: str) -> None:
        """An image that came goes when nobody uses it any more. Where that cannot be written down it stays."""
        with suppress(Refused):
            brought = Brought(self.maker.service.name, identity, tuple(dict.fromkeys(reference_of(name).tagged for name in names)))
            await Stock(self.maker.carrier).remember(brought)

    @property
    def _tree(self) -> Tree:
        return self.maker.scene.desired.tree

    @property
    def _delivery(self) -> Delivery:
        return Delivery(self.maker.carrier)

    async def _delivered(self) -> Mounts:
        """Everything that is mounted is complete at the engine; what runs is not touched."""
        pieces = self.maker.pieces
        if not pieces:
            return Mounts()
        before = await self._delivery.links()
        kept = {piece.mount: before[piece.mount] for piece in pieces if await self._is_in_place(piece, before)}
        folders = await self._delivery.put([piece for piece in pieces if piece.mount not in kept], self._tree)
        after = {piece.mount: kept.get(piece.mount) or folders[piece.version] for piece in pieces}
        # No container can be made that mounts what is not there, and nothing runs yet that could see it.
        await self._delivery.exchange({mount: folder for mount, folder in after.items() if mount not in before})
        return Mounts({**after, **before}, after)

    async def _is_in_place(self, piece: Piece, links: Mapping[str, str]) -> bool:
        """Whether what was written in place is what it should be: then others may go on to use it."""
        folder = links.get(piece.mount, "")
        return isinstance(piece.change, Mapping) and bool(folder) and await self._delivery.holds(folder, piece)

    async def _write_in_place(self) -> bool:
        steps = [step for step in self.look.steps if step.deed is Deed.SIGNAL]
        image = next(step.container.image for step in steps if step.container)
        changed = {change.path for step in steps for change in step.changes}
        signalling = Signalling(self._delivery, image)
        for piece in self.maker.pieces:
            named = (f"[target={piece.target}]", f'[target="{piece.target}"]')
            if any(name in path for path in changed for name in named) and not await signalling.write(piece, self._tree):
                return False
        return True

    async def _touch(self, step: Step) -> None:
        """What is done to one container as it is."""
        container = step.container
        if container is None or step.deed in (Deed.LEAVE, Deed.CREATE, Deed.RECREATE, Deed.REMOVE):
            return
        await Adjusting(self.engine, self.maker).adjust(step, container)
        if step.deed is Deed.START:
            await self.engine.post(f"/containers/{container.id}/start")
        elif step.deed is Deed.STOP:
            await stop(self.engine, container)
        elif step.deed is Deed.SIGNAL:
            await self.engine.post(f"/containers/{container.id}/kill", None, signal=self._signal(step))

    def _signal(self, step: Step) -> str:
        changes = [piece.change for piece in self.maker.pieces if any(piece.target in change.path for change in step.changes)]
        return next((str(change["signal"]) for change in changes if isinstance(change, Mapping)), "SIGHUP")

    async def _update(self, steps: list[Step], image: str, mounts: Mounts) -> None:
        async def create(step: Step, name: str) -> str:
            return await self.maker.create(step.number, name, await self.maker.surroundings(image, step.container))

        async def forward() -> None:
            await self._delivery.exchange(mounts.moved)

        async def back() -> None:
            await self._delivery.exchange(mounts.returned)

        patience = self.maker.scene.desired.application.policy.timeout
        await Update(self.engine, self.maker.service, Recipe(create, forward, back), patience, self.company).run(steps)
