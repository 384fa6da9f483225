"""Many errors, each of one among many -> one, raised once the others are done."""

from collections.abc import Iterable

from trueup.model.errors import DeclarationError, Fault, Several, TrueupError


class Troubles:
    """What stood in the way of some, while all the others were gone on with."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = list(faults)
        self._others: list[TrueupError] = []

    def add(self, error: TrueupError, where: str = "") -> None:
        """One more. ``where`` is said of an error that does not know it; the same is told once, however many it stood in the way of."""
        if isinstance(error, DeclarationError):
            self._faults += error.faults
            return
        error.where = error.where or where
        if not any((type(known), known.message, known.where) == (type(error), error.message, error.where) for known in self._others):
            self._others.append(error)

    def raise_all(self) -> None:
        """Raise what there is: every fault in one DeclarationError, a single error as it is, and Several where there are more."""
        declared = [DeclarationError(tuple(dict.fromkeys(self._faults)))] if self._faults else []
        errors: list[TrueupError] = [*declared, *self._others]
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise Several(errors)
