"""A target -> its runtime."""

from trueup.model.application import Target
from trueup.model.contracts import Place
from trueup.runtimes.compose.access import Access
from trueup.runtimes.compose.engine import Engine
from trueup.runtimes.compose.images import Images
from trueup.runtimes.compose.picture import Picture
from trueup.runtimes.compose.runtime import ComposeRuntime
from trueup.runtimes.compose.scene import Stage
from trueup.runtimes.compose.target import allowed_by, logins_of


def opened(target: Target, access: Access, place: Place) -> ComposeRuntime:
    """The runtime. Nothing is asked of the engine yet."""
    engine = Engine(access)
    stage = Stage(Picture(engine, Images(engine, logins_of(place))), place.secret, allowed_by(place.allowed).grants)
    return ComposeRuntime(target.name, engine, stage)
