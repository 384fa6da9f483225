"""A version that gave way once, and when it is tried again."""

from dataclasses import replace

import pytest

from trueup.model.application import Application, ApplicationSpec
from trueup.model.contracts import Desired
from trueup.model.manifest import Body, Key, Manifest, Origin
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.labels import Marks
from trueup.runtimes.compose.look import Deed, ServiceLook, Step
from trueup.runtimes.compose.record import Record
from trueup.runtimes.compose.setbacks import refuse_again, setback_of
from trueup.runtimes.compose.updating import GaveWay
from trueup.testing.trees import FolderTree

WEB = Key("Service", "web", "", "p")
SHOP = Application("file:///r#main", "shop", ApplicationSpec(target="here"), "trueup.yaml", 1)


def desired(image: str = "web:2") -> Desired:
    body: Body = {"spec": {"image": image}}
    return Desired(SHOP, "1" * 40, (Manifest(WEB, body, Origin("compose.yaml", 1)),), FolderTree({}), run="first")


def look(status: str = "running", deed: Deed = Deed.RECREATE) -> ServiceLook:
    container = Container({"Id": "a", "Name": "/p-web-1", "State": {"Status": status}}, Marks())
    return ServiceLook(WEB, steps=(Step(1, "p-web-1", container, deed),))


RECORD = Record().set_back(setback_of(desired(), look(), "it ended with exit code 3"))


def test_it_is_not_tried_again_by_itself_nor_twice_in_the_run_of_a_person() -> None:
    for wanted in (desired(), replace(desired(), run="second"), replace(desired(), by_hand=True)):
        with pytest.raises(GaveWay, match="it ended with exit code 3"):
            refuse_again(RECORD, wanted, look())


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [
        (replace(desired(), run="second", by_hand=True), look()),
        (replace(desired(), revision="2" * 40), look()),
        (desired("web:3"), look()),
        (desired(), look("exited")),
        (desired(), look(deed=Deed.ADJUST)),
    ],
    ids=["a person asks anew", "a new commit", "another version", "nothing runs that would be stopped", "nothing is stopped"],
)
def test_it_is_tried_again(wanted: Desired, seen: ServiceLook) -> None:
    refuse_again(RECORD, wanted, seen)


def test_one_that_did_well_since_is_forgotten() -> None:
    refuse_again(RECORD.recovered(WEB), desired(), look())
    assert RECORD.lacking(WEB) == RECORD.still((), ()) == Record()
