"""What can be set at a container while it runs: its name, its networks, its limits, and when it is started again."""

from dataclasses import dataclass

from trueup.model.manifest import Body
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.engine import Absent, Engine
from trueup.runtimes.compose.limits import CHANGEABLE, completed, limits_of, restart_of
from trueup.runtimes.compose.look import Step
from trueup.runtimes.compose.making import Maker
from trueup.runtimes.compose.wanted import Surroundings, endpoints_of


@dataclass(frozen=True, slots=True)
class Adjusting:
    """Sets it at the containers of one service."""

    engine: Engine
    maker: Maker

    async def adjust(self, step: Step, container: Container) -> None:
        """Set what the step's changes name."""
        fields = {change.path.split(".", 2)[1] for change in step.changes if change.path.startswith("spec.")}
        if step.name != container.name:
            await self.engine.post(f"/containers/{container.id}/rename", name=step.name)
        if "networks" in fields:
            await self._attach(step, container)
        spec = self.maker.service.spec
        limits = completed(limits_of(spec))
        update: Body = {}
        if "restart" in fields:
            update["RestartPolicy"] = restart_of(spec)
        for theirs, field in CHANGEABLE.items():
            if field in fields or ("deploy" in fields and theirs in limits):
                # The engine takes null and 0 for "as it is"; where a limit goes, the container is made anew.
                update[theirs] = limits.get(theirs, -1 if theirs == "PidsLimit" else 0)
        if "Memory" in update and "MemorySwap" in limits:
            update["MemorySwap"] = limits["MemorySwap"]
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
