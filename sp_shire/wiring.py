"""Of which parts the core of a resource is made, and what each of them works with. Decides nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ostiary.storage.stores import SessionStore
from ostiary.web.log import Log
from sp_shire.addresses import Addresses
from sp_shire.certificates.visitors import CertificateVisitors
from sp_shire.handlers.artifacts import Fetching
from sp_shire.handlers.consuming import Consuming
from sp_shire.handlers.discovering import Discovering
from sp_shire.handlers.expiring import Expiring
from sp_shire.handlers.jwks import TokenKeys
from sp_shire.handlers.refreshing import Refreshing
from sp_shire.handlers.routes import Routes
from sp_shire.handlers.showing import Showing
from sp_shire.handlers.signing_in import Decide, SigningIn
from sp_shire.handlers.signing_out import SigningOut
from sp_shire.handlers.status import Reading, StatusPage
from sp_shire.handlers.widget import Widget
from sp_shire.login.answers import Answers
from sp_shire.login.artifacts import ArtifactIssuer
from sp_shire.login.asking import LOGIN_TIME, LOGINS_AT_MOST, Asking
from sp_shire.login.browser_mark import BrowserMark
from sp_shire.login.finishing import Finishing
from sp_shire.login.kept_forms import FORM_TIME, FORMS_AT_MOST, KeptForms
from sp_shire.login.paos import Programs
from sp_shire.login.pending import PendingTable
from sp_shire.login.resolving import ArtifactResolver
from sp_shire.login.silent import SilentTries
from sp_shire.login.targets import Targets
from sp_shire.logout.flow import LogoutFlow
from sp_shire.pages.replies import Replies
from sp_shire.sessions.keeper import SessionKeeper
from sp_shire.sessions.visits import Visits
from sp_shire.settings import ShireSettings
from sp_shire.shar.query import SoapTransport
from sp_shire.snapshot import Stores


@dataclass(frozen=True, slots=True)
class Parts:
    """What the core itself asks; everything else is reached through ``routes``."""

    visits: Visits
    signing_in: SigningIn
    consuming: Consuming
    expiring: Expiring
    routes: Routes


def make_parts(
    settings: ShireSettings,
    addresses: Addresses,
    targets: Targets,
    stores: Stores,
    *,
    common: SessionStore,
    siblings: Sequence[SessionKeeper],
    transport: SoapTransport,
    certificates: CertificateVisitors | None,
    replies: Replies,
    log: Log,
    started: datetime,
    reading: Callable[[], Reading],
    decide: Decide,
    is_open: Callable[[str], bool],
) -> Parts:
    """``common`` as for `Shire`; ``siblings`` hold the sessions of the other parts with its entityID; ``decide`` and ``is_open`` as for
    `SigningIn`."""
    visits = Visits(settings, addresses, stores.sessions, stores.groups, transport, log, certificates)
    mark = BrowserMark(settings, addresses)
    pending = PendingTable(stores.logins, lifetime=LOGIN_TIME, capacity=LOGINS_AT_MOST)
    artifacts = ArtifactIssuer(settings, common)
    asking = Asking(settings, addresses, targets, pending, mark, artifacts)
    answers = Answers(settings, addresses, pending, stores.tickets, stores.replay)
    finishing = Finishing(settings, targets, pending, mark, stores.tickets)
    resolver = ArtifactResolver(settings, transport)
    programs = Programs(settings, addresses, pending, answers)
    forms = _kept_forms(settings, addresses, stores, mark)
    tries = SilentTries(settings, addresses, pending)
    signing_in = SigningIn(
        settings,
        addresses,
        targets,
        asking,
        mark,
        forms,
        tries,
        visits,
        replies,
        log,
        decide=decide,
        is_open=is_open,
    )
    consuming = Consuming(settings, addresses, answers, finishing, signing_in, resolver, programs, visits, replies, log)
    logouts = LogoutFlow(settings, addresses, visits.keeper, common, stores.replay, siblings)
    expiring = Expiring(settings, addresses, targets, visits, replies, log)
    discovering = Discovering(settings, addresses, targets, asking, signing_in, replies)
    groups = (
        signing_in,
        discovering,
        Widget(settings, addresses, targets, discovering, replies),
        consuming,
        Fetching(artifacts, replies, log),
        SigningOut(addresses, logouts, stores.tickets, visits, replies, log),
        Showing(settings, visits, replies),
        expiring,
        Refreshing(addresses, visits, replies, log),
        StatusPage(settings, addresses, reading, stores.sessions, visits.breakers, replies, started),
        TokenKeys(settings),
    )
    routes = {name: handlers for group in groups for name, handlers in group.routes.items()}
    return Parts(visits, signing_in, consuming, expiring, routes)


def _kept_forms(settings: ShireSettings, addresses: Addresses, stores: Stores, mark: BrowserMark) -> KeptForms:
    largest = settings.login.keep_posted_forms
    table = PendingTable(stores.logins, lifetime=FORM_TIME, capacity=FORMS_AT_MOST * largest)
    return KeptForms(table, addresses, mark, largest=largest)
