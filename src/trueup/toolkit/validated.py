"""What somebody wrote -> the model that says what may be written, or an error that says which word does not fit."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from trueup.model.errors import SettingsError

T = TypeVar("T", bound=BaseModel)


def validated(model: type[T], plain: Mapping[str, Any], what: str, where: str) -> T:
    """The model. Raises SettingsError with the first thing that does not fit, of ``what`` and at ``where``; the value is never told."""
    try:
        return model.model_validate(dict(plain))
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(step) for step in first["loc"])
        known = ", ".join(field.alias or name for name, field in model.model_fields.items())
        text = "is not known" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{what}: `{path}` {text}", where=where, hint=f"what may be said is {known}") from None
