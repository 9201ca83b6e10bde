"""The configuration of consent, the same for the page that asks and for the Attribute Authority that keeps to the answer."""

from collections.abc import Collection
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from ostiary.config import Duration, Settings

_Uri = Annotated[str, Field(min_length=1, max_length=1024)]


class ConsentSettings(Settings):
    """Whether people are asked before something about them leaves, and for which resources.

    ``off``: nobody is asked, but who wants to be. ``inform``: a person is shown what goes. In both, policies decide, and what she set on
    her own page. ``required``: nothing leaves that policies permit and she did not agree to. ``never_for``, ``only_for`` and
    ``always_for`` name resources by entityID or entity category: those that are never asked about (policies alone decide), those that
    alone are asked about (none: all of them), and those asked about at every sign-on, whatever she chose. ``ask_again_after``: an
    answer older than this no longer counts; without it an answer counts until something changes. It has to be the same in idp.yaml
    and aa.yaml.
    """

    mode: Literal["off", "inform", "required"] = "off"
    never_for: tuple[_Uri, ...] = ()
    only_for: tuple[_Uri, ...] = ()
    always_for: tuple[_Uri, ...] = ()
    ask_again_after: Duration | None = None

    def spares(self, entity_id: str, categories: Collection[str]) -> bool:
        """Whether policies alone decide about this resource: nobody is asked, and nobody's own setting counts."""
        return _names(self.never_for, entity_id, categories)

    def concerns(self, entity_id: str, categories: Collection[str]) -> bool:
        """Whether people are asked about the resource of this entityID, which is in these entity categories."""
        if self.mode == "off" or self.spares(entity_id, categories):
            return False
        return not self.only_for or _names(self.only_for, entity_id, categories)

    def binds(self, entity_id: str, categories: Collection[str]) -> bool:
        """Whether nothing may go there without the person's leave."""
        return self.mode == "required" and self.concerns(entity_id, categories)

    def asks_always(self, entity_id: str, categories: Collection[str]) -> bool:
        """Whether she is asked at every sign-on there."""
        return _names(self.always_for, entity_id, categories)

    @property
    def lifetime(self) -> timedelta | None:
        """How long an answer counts; None: until something changes."""
        return self.ask_again_after


def _names(listed: Collection[str], entity_id: str, categories: Collection[str]) -> bool:
    return entity_id in listed or any(category in listed for category in categories)
