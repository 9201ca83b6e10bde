"""The assertion consumers of a resource: which there are, and which one a browser's answer is asked for at. Reads no message."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.saml import names
from sp_shire.settings import AnswerBinding, ShireSettings


@dataclass(frozen=True, slots=True)
class Consumer:
    """``handler`` is its name below the handler path, ``first_index`` its index in metadata; further parts of a resource count on from
    it."""

    binding: str
    handler: str
    first_index: int


CONSUMERS: Final[Mapping[AnswerBinding, Consumer]] = {
    "post": Consumer(names.HTTP_POST, "acs", 0),
    "artifact": Consumer(names.HTTP_ARTIFACT, "acs/artifact", 1000),
    "paos": Consumer(names.PAOS, "acs/paos", 2000),
}


def consumers_of(settings: ShireSettings) -> tuple[Consumer, ...]:
    """Those that are open, the most wanted one first."""
    return tuple(CONSUMERS[name] for name in settings.answers_by)


def browser_consumer(settings: ShireSettings) -> Consumer:
    """Where an AuthnRequest asks that the browser brings the answer: by the first binding in the settings that browsers speak."""
    return next(one for one in consumers_of(settings) if one.binding != names.PAOS)
