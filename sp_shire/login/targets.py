"""Where a login leads back to: a path of this very site and nothing else."""

from typing import Final
from urllib.parse import quote

from ostiary.errors import Refusal
from ostiary.web.forms import optional, parse_query
from sp_shire.addresses import Addresses
from sp_shire.messages import Request

MAXIMUM_TARGET: Final = 8192
"""Characters of a target, which is kept on this side while a login is under way."""
MAXIMUM_TOLD: Final = 1536
"""Characters of one that travels: in an AuthnRequest, in a link, in a form."""
# In a link it is encoded again; web servers take some 4000 characters of a header.
_MAXIMUM_ENCODED: Final = 3000


class Targets:
    """The targets of one resource."""

    def __init__(self, addresses: Addresses) -> None:
        self.first = addresses.first_target

    def of(self, request: Request) -> str:
        """The ``target`` of a handler's query: a path of this very site, query included; the first protected path when absent.

        Anything else (another host, ``//``, a scheme, a fragment) is refused (``sp.target``).
        """
        target = optional(parse_query(request.query), "target", max_length=MAXIMUM_TARGET)
        return self.checked(target or self.first)

    def checked(self, target: str) -> str:
        """The same for a path at hand."""
        inside = target.startswith("/") and not target.startswith("//") and "#" not in target
        if not inside or not target.isascii() or any(c <= " " or c in "\\\x7f" for c in target):
            raise Refusal("sp.target", expected="a path on this site", found=target[:200])
        return target

    def back_to(self, path: str, query: bytes, *, kept: bool = False) -> str:
        """The target that leads back to the page at hand: without its query where that would be too long, and the first protected
        path where even the path is. ``kept``: it stays on this side, so that it may be longer. Raises `Refusal` (``sp.target``)."""
        plain = quote(path, safe="/:@!$&'()*+,;=~")
        full = plain + "?" + quote(query, safe="/:@!$&'()*+,;=~?%") if query else plain
        fits = _is_kept if kept else _travels
        fitting = (target for target in (full, plain) if fits(target))
        return self.checked(next(fitting, self.first))


def told(target: str) -> str | None:
    """As much of a target as travels in an AuthnRequest: without its query where that would be too long; None where even the path is."""
    return next((one for one in (target, target.partition("?")[0]) if len(one) <= MAXIMUM_TOLD), None)


def _is_kept(target: str) -> bool:
    return len(target) <= MAXIMUM_TARGET


def _travels(target: str) -> bool:
    return len(target) <= MAXIMUM_TOLD and len(quote(target, safe="")) <= _MAXIMUM_ENCODED
