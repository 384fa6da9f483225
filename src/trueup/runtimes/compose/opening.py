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
    allowed = allowed_by(place.allowed)
    images = Images(engine, logins_of(place), None if allowed.keep_images == "all" else allowed.keep_images)
    stage = Stage(Picture(engine, images), place.secret, allowed.grants)
    return ComposeRuntime(target.name, engine, stage)
