"""Documents for the tests of the index, with whatever a hostile or clumsy publisher puts in them, and an index to put them into."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ostiary.federation.index import Indexed, IndexedRegistry, IndexedSource, MetadataIndex, index_document
from ostiary.federation.sources.reading import Reading
from ostiary.saml import names
from ostiary.saml.keys import Signer
from ostiary.saml.signature import sign
from ostiary.saml.xml import METADATA, parse_xml, to_bytes, write_instant
from tests.saml.world import signer

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
END = NOW + timedelta(days=7)
KEY = signer("rsa", "federation")
READING = Reading(trusted=(KEY.public,), maximum_validity=timedelta(days=30))


def entity(
    entity_id: str, *, name: str = "Somebody", acs: str = "", inside: str = "", attributes: str = "", role: str = ""
) -> str:
    """An SP."""
    location = acs or f"https://{abs(hash(entity_id)) % 1000}.example/acs"
    return (
        f'<md:EntityDescriptor entityID="{entity_id}"{attributes}>{inside}'
        f'<md:SPSSODescriptor protocolSupportEnumeration="{names.SAMLP}"{role}><md:Extensions>'
        f'<mdui:UIInfo xmlns:mdui="{names.MDUI}"><mdui:DisplayName xml:lang="en">{name}</mdui:DisplayName></mdui:UIInfo>'
        f'</md:Extensions><md:AssertionConsumerService Binding="{names.HTTP_POST}" Location="{location}" index="0"/>'
        "</md:SPSSODescriptor></md:EntityDescriptor>"
    )


def home(entity_id: str, scopes: Iterable[str]) -> str:
    """An IdP with these scopes; one that begins with ``^`` is an expression."""
    written = "".join(
        f'<shibmd:Scope xmlns:shibmd="{names.SHIBMD}" regexp="{str(scope.startswith("^")).lower()}">{scope}</shibmd:Scope>'
        for scope in scopes
    )
    return (
        f'<md:EntityDescriptor entityID="{entity_id}"><md:IDPSSODescriptor protocolSupportEnumeration="{names.SAMLP}">'
        f"<md:Extensions>{written}</md:Extensions>"
        f'<md:SingleSignOnService Binding="{names.HTTP_POST}" Location="https://home.example/sso"/>'
        "</md:IDPSSODescriptor></md:EntityDescriptor>"
    )


def group(*inside: str, until: datetime | None = None) -> str:
    """Entities, or other groups, in an EntitiesDescriptor."""
    end = f' validUntil="{write_instant(until)}"' if until is not None else ""
    return f"<md:EntitiesDescriptor{end}>{''.join(inside)}</md:EntitiesDescriptor>"


def unsigned(*inside: str, until: datetime | None = END, identifier: str = "_root") -> bytes:
    """An aggregate."""
    end = f' validUntil="{write_instant(until)}"' if until is not None else ""
    return (
        f'<md:EntitiesDescriptor xmlns:md="{names.MD}" ID="{identifier}"{end}>{"".join(inside)}</md:EntitiesDescriptor>'
    ).encode()


def signed(*inside: str, until: datetime | None = END, by: Signer = KEY, identifier: str = "_root") -> bytes:
    """The same, signed."""
    root = parse_xml(unsigned(*inside, until=until, identifier=identifier), METADATA)
    sign(root, by)
    return to_bytes(root)


class World:
    """An index in a directory, and what is put into it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.index = MetadataIndex.open(directory / "state")

    def put(
        self, document: bytes, source: str = "federation", *, reading: Reading = READING, now: datetime = NOW
    ) -> Indexed:
        """Indexes a document, in this process."""
        path = self.directory / "document.xml"
        path.write_bytes(document)
        return index_document(self.index, source, path, reading, now)

    def registry(self, *sources: str, reading: Reading = READING) -> IndexedRegistry:
        """Over these sources, ``federation`` unless told."""
        return self.index.registry([IndexedSource(name, reading) for name in sources or ("federation",)])

    def names(self, *sources: str, now: datetime = NOW) -> list[str]:
        """The entityIDs that are listed."""
        return sorted(summary.entity_id for summary in self.registry(*sources).summaries(now))
