"""Networks and volumes are made, and networks made anew under the containers that are in them."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from trueup.model.errors import Refused
from trueup.model.manifest import Body
from trueup.runtimes.compose.engine import Absent
from trueup.runtimes.compose.labels import marks_of
from trueup.runtimes.compose.look import Look
from trueup.runtimes.compose.picture import MOVING, Picture
from trueup.runtimes.compose.scene import Scene
from trueup.runtimes.compose.things import applied, creation_of

_OF_NETWORK: Final = ("Name", "Driver", "Scope", "EnableIPv4", "EnableIPv6", "IPAM", "Internal", "Attachable", "Options", "Labels")


@dataclass(frozen=True, slots=True)
class Provider:
    """Makes what a scene wants."""

    picture: Picture
    scene: Scene

    async def provide(self, look: Look) -> None:
        """Make it. A network that is there goes before, without the containers in it; a volume only under its own name.

        Raises Refused; a network is then as it was, with the containers in it.
        """
        manifest = self.scene.manifests[look.key]
        of_compose = self.scene.of_compose(manifest)
        theirs = of_compose.of_network(look.key.name) if look.key.kind == "Network" else of_compose.of_volume(look.key.name)
        marks = marks_of(self.scene.desired, manifest, applied(manifest))
        place, body = creation_of(manifest, {**theirs, **marks.labels})
        before = str(self.scene.things[look.key].body["Name"]) if look.seen else ""
        attached = await self._detach(before) if before and look.key.kind == "Network" else []
        if before and (look.key.kind == "Network" or before == body["Name"]):
            with suppress(Absent):
                await self.picture.engine.delete(f"/{look.key.kind.lower()}s/{before}")
        try:
            await self.picture.engine.post(place, body)
        except Refused:
            if before and look.key.kind == "Network":
                await self.picture.engine.post(place, _again(self.scene.things[look.key].body))
                await self._attach_all(before, attached)
            raise
        await self._attach_all(str(body["Name"]), attached)

    async def _attach_all(self, network: str, containers: Iterable[tuple[str, Body]]) -> None:
        for container, endpoint in containers:
            await self._attach(network, container, endpoint)

    async def _attach(self, network: str, container: str, endpoint: Body) -> None:
        try:
            await self.picture.engine.post(f"/networks/{network}/connect", {"Container": container, "EndpointConfig": endpoint})
        except Refused:
            # Its address is none of the network's any more: it gets another one, until its service is made anew.
            without = {name: value for name, value in endpoint.items() if name != "IPAMConfig"}
            await self.picture.engine.post(f"/networks/{network}/connect", {"Container": container, "EndpointConfig": without})

    async def _detach(self, network: str) -> list[tuple[str, Any]]:
        """Take every container out of a network; each with how it was in it."""
        shot = await self.picture.look(MOVING)
        inside = [each["Id"] for each in shot.summaries if network in ((each.get("NetworkSettings") or {}).get("Networks") or {})]
        found = []
        for identity, body in (await self.picture.inspect(inside)).items():
            told = body["NetworkSettings"]["Networks"][network]
            aliases = [each for each in told.get("Aliases") or () if not identity.startswith(each)]
            found.append((identity, {"Aliases": aliases, "IPAMConfig": told.get("IPAMConfig")}))
            with suppress(Absent):
                await self.picture.engine.post(f"/networks/{network}/disconnect", {"Container": identity, "Force": True})
        return found


def _again(network: Body) -> Body:
    """How a network that was there is made once more."""
    return {name: network[name] for name in _OF_NETWORK if name in network}
