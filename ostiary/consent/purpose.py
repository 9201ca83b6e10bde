"""What a resource says about itself, as people are shown it. Pure: reads metadata and nothing else."""

from collections.abc import Iterable
from typing import Final

from ostiary.consent.choices import Purpose
from ostiary.federation.model import Display, Entity, LocalizedText

# Longer language tags are none that anybody reads.
_MAXIMUM_TAG: Final = 35


def purpose_of(sp: Entity) -> Purpose:
    """What the resource says it is for, and where its privacy statement is (mdui:Description, mdui:PrivacyStatementURL)."""
    display = sp.sp.display if sp.sp is not None else Display()
    return Purpose(_tagged(display.descriptions), _tagged(display.privacy_statement_urls))


def _tagged(texts: Iterable[LocalizedText]) -> tuple[tuple[str, str], ...]:
    return tuple((text.lang, text.text) for text in texts if len(text.lang) <= _MAXIMUM_TAG)
