"""Where a login leads back to: a path of this very site and nothing else."""

from typing import Final
from urllib.parse import quote

from ostiary.errors import Refusal
from ostiary.web.forms import optional, parse_query
from sp_shire.addresses import Addresses
from sp_shire.messages import Request

# With our origin before it, it travels in an AuthnRequest; IdPs (ours too) take some 2000 characters.
MAXIMUM_TARGET: Final = 1536
# Inside the return URL of discovery it is encoded again; discovery services (ours too) take some 4000 characters.
_MAXIMUM_ENCODED_TARGET: Final = 3000


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

    def back_to(self, path: str, query: bytes) -> str:
        """The target that leads back to the page at hand: without its query where that would be too long, and the first protected
        path where even the path is. Raises `Refusal` (``sp.target``)."""
        plain = quote(path, safe="/:@!$&'()*+,;=~")
        full = plain + "?" + quote(query, safe="/:@!$&'()*+,;=~?%") if query else plain
        fitting = (target for target in (full, plain) if _fits(target))
        return self.checked(next(fitting, self.first))


def _fits(target: str) -> bool:
    return len(target) <= MAXIMUM_TARGET and len(quote(target, safe="")) <= _MAXIMUM_ENCODED_TARGET
