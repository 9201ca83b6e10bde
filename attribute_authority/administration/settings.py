"""Who administers the Attribute Authority, as aa.yaml says it. Decides about nobody."""

from typing import Annotated

from pydantic import Field

from ostiary.config import FileFromHere, Settings

_Text = Annotated[str, Field(min_length=1, max_length=1024)]


class AdministratorsSettings(Settings):
    """Who may open the administrators' pages: whoever has one of these values of one of the attributes in ``having`` (as the resolver
    knows her, internal attributes left out), and those who are named by ``login_names`` or ``principals``. Nobody where nothing is given.
    ``identity_provider`` is the identity provider's configuration, which says how login names are found where people are in LDAP.
    """

    having: dict[_Text, Annotated[tuple[_Text, ...], Field(min_length=1)]] = Field(default={})
    login_names: Annotated[tuple[_Text, ...], Field(max_length=50)] = ()
    principals: tuple[_Text, ...] = ()
    identity_provider: FileFromHere | None = None
