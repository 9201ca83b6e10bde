"""Signed metadata on request (Metadata Query Protocol, draft-young-md-query; SAML profile draft-young-md-query-saml): who is meant by an
identifier. Knows nothing that is not in the registry."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

from ostiary.errors import Refusal
from ostiary.federation.model import Entity
from ostiary.federation.publish.signed_entities import SignedDocument, SignedEntities
from ostiary.federation.registry import Registry
from ostiary.federation.summary import Summary, summary_of
from ostiary.saml.keys import Signer

MAX_IDENTIFIER: Final = 2048

_SHA1: Final = re.compile(r"\{sha1\}([0-9a-fA-F]{40})(?:\.xml)?")

Keeps = Callable[[Summary], bool]


def find(identifier: str, registry: Registry, now: datetime, keeps: Keeps | None = None) -> Entity | None:
    """The entity of this entityID, or of ``{sha1}`` and the 40 hexadecimal digits of its SHA-1 (md-query-saml 2.2.2); None if it is
    unknown, or not among those that ``keeps`` keeps. A suffix ``.xml`` behind the digits is what pyFF's clients write."""
    if len(identifier) > MAX_IDENTIFIER:
        return None
    hashed = _SHA1.fullmatch(identifier)
    # SHA-1 only names an entity here; nothing is trusted because of it.
    entity = (
        registry.by_source_id(bytes.fromhex(hashed[1]), now) if hashed is not None else registry.get(identifier, now)
    )
    if entity is None or (keeps is not None and not keeps(summary_of(entity))):
        return None
    return entity


def answer(
    identifier: str,
    registry: Registry,
    signer: Signer,
    signed: SignedEntities,
    now: datetime,
    keeps: Keeps | None = None,
) -> SignedDocument | None:
    """What is answered for an identifier; None where there is nothing of that name that is valid."""
    entity = find(identifier, registry, now, keeps)
    if entity is None:
        return None
    try:
        return signed.document(entity, signer, now)
    except Refusal as problem:
        if problem.code == "metadata.expired":
            return None
        raise
