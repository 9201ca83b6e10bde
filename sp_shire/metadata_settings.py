"""What a resource says about itself in its metadata beside keys and endpoints (``published:`` in ``sp.yaml``)."""

from collections.abc import Mapping
from datetime import timedelta

from ostiary.config import Duration, Settings
from ostiary.federation.publish.about import Contacts, Language, Logos, OrganisationSettings, Text, Uri


class PublishedSettings(Settings):
    """``names`` and ``descriptions``: those of ``display`` in further languages; ``registration_authority``: who has registered the
    resource (mdrpi), a federation's URI; ``valid_for``: how long the document that the resource serves counts."""

    names: Mapping[Language, Text] = {}
    descriptions: Mapping[Language, Text] = {}
    logos: Logos = ()
    organisation: OrganisationSettings | None = None
    contacts: Contacts = ()
    registration_authority: Uri | None = None
    valid_for: Duration = timedelta(days=7)
