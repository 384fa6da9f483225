"""What somebody wrote -> the model that says what may be written, or an error that says which word does not fit."""

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from trueup.model.errors import SettingsError
from trueup.toolkit.wording import told, worded

T = TypeVar("T", bound=BaseModel)


def validated(model: type[T], plain: Mapping[str, Any], what: str, where: str) -> T:
    """The model. Raises SettingsError with the first thing that does not fit, of ``what`` and at ``where``; the value is never told."""
    try:
        return model.model_validate(dict(plain))
    except ValidationError as error:
        first, words = worded(error.errors())[0]
        path = ".".join(str(step) for step in first["loc"])
        known = ", ".join(_known(model, first["loc"]))
        text = "is not known" if first["type"] == "extra_forbidden" else words
        raise SettingsError(f"{what}: {told(f'`{path}`', text)}", where=where, hint=f"what may be said is {known}") from None


def _known(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """What may be said where a path of it ends, as far as the path leads from table to table."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for inner in _models(fields[str(path[0])].annotation) if len(path) > 1 and str(path[0]) in fields else ():
        return _known(inner, path[1:])
    return list(fields)


def _models(annotation: object) -> list[type[BaseModel]]:
    return [each for each in (annotation, *get_args(annotation)) if isinstance(each, type) and issubclass(each, BaseModel)]
