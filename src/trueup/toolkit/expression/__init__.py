"""Expressions that people write: CEL and Lua, evaluated with a budget.

``cel`` evaluates what ships with Trueup, in this process. ``Confined`` evaluates what strangers wrote, CEL and Lua, in a process of its own
that can be stopped at any instruction; ``lua`` is only ever called there.
"""

from trueup.toolkit.expression.cel import fault_of, findings
from trueup.toolkit.expression.confined import Confined
from trueup.toolkit.expression.finding import Finding, Limits

__all__ = ["Confined", "Finding", "Limits", "fault_of", "findings"]
