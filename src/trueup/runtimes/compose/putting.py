"""A service's containers are made as they are to be, one after the other."""

from dataclasses import dataclass

from trueup.model.errors import Refused
from trueup.model.manifest import Body
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.delivery import Delivery
from trueup.runtimes.compose.engine import Absent, Engine
from trueup.runtimes.compose.images import Images
from trueup.runtimes.compose.limits import CHANGEABLE, limits_of, restart_of
from trueup.runtimes.compose.look import Deed, ServiceLook, Step
from trueup.runtimes.compose.making import Maker, remove, stop
from trueup.runtimes.compose.wanted import Surroundings, endpoints_of


@dataclass(frozen=True, slots=True)
class Putting:
    """One service on its way: everything that can be refused comes before anything stops."""

    engine: Engine
    images: Images
    maker: Maker
    look: ServiceLook

    async def put(self) -> None:
        """Make it so. Raises Refused."""
        makes = any(step.deed in (Deed.CREATE, Deed.RECREATE) for step in self.look.steps)
        image = await self._image() if makes else ""
        folders = await self.maker.deliver()
        await Delivery(self.maker.carrier).exchange(folders)
        for step in self.look.steps:
            await self._carry_out(step, image)

    async def _image(self) -> str:
        if self.look.image is None:
            raise Refused(f"{self.look.key} has to be built")
        return await self.images.bring(self.look.image)

    async def _carry_out(self, step: Step, image: str) -> None:
        container = step.container
        match step.deed:
            case Deed.CREATE | Deed.RECREATE:
                await self._make(step, image)
            case Deed.REMOVE if container:
                await stop(self.engine, container)
                await remove(self.engine, container.id)
            case Deed.START if container:
                await self.adjust(step, container)
                await self.engine.post(f"/containers/{container.id}/start")
            case Deed.STOP if container:
                await self.adjust(step, container)
                await stop(self.engine, container)
            case Deed.RESTART | Deed.SIGNAL if container:
                await self.adjust(step, container)
                await self.engine.post(f"/containers/{container.id}/restart")
            case Deed.ADJUST if container:
                await self.adjust(step, container)
            case _:
                return

    async def _make(self, step: Step, image: str) -> None:
        around = await self.maker.surroundings(image, step.container)
        if step.container is not None:
            await stop(self.engine, step.container)
            await remove(self.engine, step.container.id)
        made = await self.maker.create(step.number, step.name, around)
        if self.maker.service.stopped:
            return
        try:
            await self.engine.post(f"/containers/{made}/start")
        except Refused:
            await remove(self.engine, made)
            raise

    async def adjust(self, step: Step, container: Container) -> None:
        """Set while it runs what can be set: its name, its networks, its limits and when it is started again."""
        fields = {change.path.split(".", 2)[1] for change in step.changes if change.path.startswith("spec.")}
        if step.name != container.name:
            await self.engine.post(f"/containers/{container.id}/rename", name=step.name)
        if "networks" in fields:
            await self._attach(step, container)
        spec = self.maker.service.spec
        update: Body = {}
        if "restart" in fields:
            update["RestartPolicy"] = restart_of(spec)
        for theirs, field in CHANGEABLE.items():
            if field in fields:
                # The engine takes null for "as it is", and these for "without a limit".
                update[theirs] = limits_of(spec).get(theirs, -1 if theirs == "PidsLimit" else 0)
        if update:
            await self.engine.post(f"/containers/{container.id}/update", update)

    async def _attach(self, step: Step, container: Container) -> None:
        around = Surroundings("", networks=self.maker.scene.names("Network", self.maker.service.project))
        wanted = endpoints_of(self.maker.service, step.number, around)
        for network in container.networks.keys() - wanted.keys():
            try:
                await self.engine.post(f"/networks/{network}/disconnect", {"Container": container.id, "Force": True})
            except Absent:
                continue
        for network, endpoint in wanted.items():
            if network not in container.networks:
                await self.engine.post(f"/networks/{network}/connect", {"Container": container.id, "EndpointConfig": endpoint})
