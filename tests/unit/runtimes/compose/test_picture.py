"""What is known of an engine, while it moves."""

import asyncio
from dataclasses import dataclass, field

from trueup.model.application import Policy
from trueup.model.contracts import Owner
from trueup.model.wire import encode
from trueup.runtimes.compose.access import Access
from trueup.runtimes.compose.carrier import Carrier
from trueup.runtimes.compose.engine import Engine
from trueup.runtimes.compose.images import Images
from trueup.runtimes.compose.picture import Picture, Shot
from trueup.runtimes.compose.record import Record, Standing


@dataclass(slots=True)
class Slow(Carrier):
    """A record volume whose answer is a long time on its way."""

    content: bytes = b""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, path: str) -> bytes | None:
        content = self.content
        await self.arrived.wait()
        return content


def record(revision: str) -> Record:
    return Record((Standing(Owner("file:///r", "shop"), revision, Policy()),))


async def test_an_answer_from_before_a_record_was_written_is_not_kept() -> None:
    engine = Engine(Access("unix:///nowhere"))
    picture = Picture(engine, Images(engine))
    picture.keep(True)
    volume = Slow(engine, "p", content=encode(record("before")))
    picture._carriers["p"] = volume
    shot = Shot(volumes={volume.volume: {}})
    looking = asyncio.create_task(picture.record("p", shot))
    await asyncio.sleep(0)
    volume.content = encode(record("after"))
    picture.forget_record("p")
    volume.arrived.set()
    assert await looking == record("before")
    assert await picture.record("p", shot) == record("after")
