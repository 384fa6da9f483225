"""Addresses that somebody names -> whether a glob of the operator means them."""

import re
from typing import Final

_ANY: Final = {"*": r"[^/@?#\\]*", "?": r"[^/@?#\\]"}


def is_within(address: str, glob: str) -> bool:
    """Whether an address is one that a glob means.

    ``*`` is any at all and ``ssh://*`` any of its kind; otherwise ``*`` stays within a user's name, a host with its port, or a folder: an
    address such as ``ssh://deploy@elsewhere.net/x.example`` is none of ``ssh://deploy@*.example``, and gets none of their secrets.
    """
    if glob == "*" or (glob.endswith("://*") and address.startswith(glob[:-1])):
        return True
    return re.fullmatch("".join(_ANY.get(each, re.escape(each)) for each in glob), address) is not None
