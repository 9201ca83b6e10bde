"""The configuration of the consent page."""

from typing import Literal

from ostiary.consent.settings import ConsentSettings


class ConsentPageSettings(ConsentSettings):
    """As `ConsentSettings`, which aa.yaml has too, and what only the page needs.

    ``logos``: ``embedded`` shows a resource's logo only where its metadata carries the picture itself; ``fetched`` lets the person's
    browser get it from the resource too, which then learns that somebody is looking; ``none`` shows no logos.
    """

    logos: Literal["none", "embedded", "fetched"] = "embedded"
