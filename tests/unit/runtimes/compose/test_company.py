"""Services that go together: nobody waits for one that will not come, and nobody is sent back by one that has arrived."""

import asyncio

import pytest

from trueup.model.manifest import Key
from trueup.runtimes.compose.company import Company, Parted, companies

A, B, C = (Key("Service", name, "", "shop") for name in "abc")


async def arrived(company: Company, name: str, trouble: str = "") -> str:
    await company.gather()
    told = await company.verdict(name, trouble)
    company.leave()
    return told


async def test_all_hear_who_does_not_do_well() -> None:
    company = companies([frozenset([A, B, C])])[A]
    assert await asyncio.gather(*(arrived(company, name) for name in "abc")) == ["", "", ""]
    company = companies([frozenset([A, B])])[B]
    told = await asyncio.gather(arrived(company, "a"), arrived(company, "b", "it ended"))
    assert list(told) == ["b, with which it exchanges ports, addresses or names, does not do well", ""]


async def test_nobody_waits_for_one_that_left() -> None:
    company = companies([frozenset([A, B])])[A]
    waiting = asyncio.create_task(company.gather())
    await asyncio.sleep(0)
    company.leave()
    with pytest.raises(Parted, match="a and b exchange"):
        await asyncio.wait_for(waiting, 60)
    with pytest.raises(Parted):
        await company.gather()
