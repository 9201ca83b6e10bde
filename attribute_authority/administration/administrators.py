"""Whether somebody administers this Attribute Authority, by what is known about her at this moment."""

from collections.abc import Callable, Mapping, Sequence

from attribute_authority.administration.settings import AdministratorsSettings

About = Callable[[str], Mapping[str, Sequence[str]]]
"""What the resolver knows about a principal now, by friendly name. Raises `Unavailable`."""

FindPerson = Callable[[str], str | None]
"""The principal of a login name; None when it is nobody's. Raises `Unavailable`."""


def is_administrator(principal: str, settings: AdministratorsSettings, about: About, find_person: FindPerson) -> bool:
    """Asks only what is needed for the answer. Raises `Unavailable` where that can't be found out: then nobody is let in."""
    if principal in settings.principals:
        return True
    if any(find_person(name) == principal for name in settings.login_names):
        return True
    if not settings.having:
        return False
    known = about(principal)
    return any(not set(values).isdisjoint(known.get(name, ())) for name, values in settings.having.items())
