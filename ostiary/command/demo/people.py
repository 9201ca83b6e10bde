"""The people of the demo federation, and what each of them should see. Names, passwords and all, they are invented."""

from dataclasses import dataclass
from typing import Final

OPERATE: Final = "urn:x-ostiary:demo:instrument:operate"


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """``attributes`` by friendly name; the outcomes are what the start prints."""

    username: str
    password: str
    attributes: dict[str, tuple[str, ...]]
    library: str
    instrument: str


@dataclass(frozen=True, slots=True)
class DemoHome:
    """A home organisation. ``key`` names its files; ``never_push_to``: resources that must ask its Attribute Authority; ``in_ldap``: its
    people are in a directory of their own, where slapd is installed; ``computes_identifiers``: it has a salt, and resources that ask for
    it get a pairwise-id; ``asks_about``: resources that learn nothing about a person who was not asked;
    ``has_portal``: sign-ons may start at home;
    ``administrator``: the login name of whoever administers what leaves;
    ``registers``: strangers may ask for an account; ``accent``: a colour of its own, with which goes a logo."""

    key: str
    name: str
    scope: str
    people: tuple[DemoPerson, ...]
    administrator: str
    never_push_to: tuple[str, ...] = ()
    in_ldap: bool = False
    computes_identifiers: bool = False
    asks_about: tuple[str, ...] = ()
    has_portal: bool = False
    registers: bool = False
    accent: str = ""

    @property
    def entity_id(self) -> str:
        return f"https://{self.scope}/idp"


def _affiliations(scope: str, *lefts: str) -> tuple[str, ...]:
    return tuple(f"{left}@{scope}" for left in lefts)


ENTERS: Final = "enters"
LIBRARY: Final = "https://library.example/shar"
INSTRUMENT: Final = "https://instrument.example/shar"

NORTHGATE: Final = DemoHome(
    key="northgate",
    name="Northgate University",
    scope="northgate.example",
    administrator="alice",
    registers=True,
    never_push_to=(LIBRARY,),
    computes_identifiers=True,
    people=(
        DemoPerson(
            "alice",
            "alice-opens-doors",
            {
                "displayName": ("Alice Archer",),
                "mail": ("alice.archer@northgate.example",),
                "eduPersonPrincipalName": ("alice@northgate.example",),
                "eduPersonScopedAffiliation": _affiliations("northgate.example", "member", "staff"),
                "eduPersonEntitlement": (OPERATE, "urn:mace:dir:entitlement:common-lib-terms"),
            },
            library=ENTERS,
            instrument="enters: an operator",
        ),
        DemoPerson(
            "bob",
            "bob-reads-books",
            {
                "displayName": ("Bob Brewer",),
                "mail": ("bob.brewer@northgate.example",),
                "eduPersonPrincipalName": ("bob@northgate.example",),
                "eduPersonScopedAffiliation": _affiliations("northgate.example", "member", "student"),
                "eduPersonEntitlement": ("urn:mace:dir:entitlement:common-lib-terms",),
            },
            library=ENTERS,
            instrument="refused: no entitlement",
        ),
        DemoPerson(
            "carol",
            "carol-left-long-ago",
            {
                "displayName": ("Carol Carver",),
                "mail": ("carol.carver@alumni.northgate.example",),
                "eduPersonPrincipalName": ("carol@northgate.example",),
                "eduPersonScopedAffiliation": _affiliations("northgate.example", "alum"),
            },
            library="refused: no longer a member",
            instrument="refused: no entitlement",
        ),
    ),
)

SOUTHBANK: Final = DemoHome(
    key="southbank",
    name="Southbank Institute",
    scope="southbank.example",
    administrator="dora",
    in_ldap=True,
    asks_about=(INSTRUMENT,),
    has_portal=True,
    accent="#24518f",
    people=(
        DemoPerson(
            "dora",
            "dora-tunes-lasers",
            {
                "displayName": ("Dora Draper",),
                "mail": ("dora@southbank.example",),
                "eduPersonPrincipalName": ("dora@southbank.example",),
                "eduPersonScopedAffiliation": _affiliations("southbank.example", "member", "faculty"),
                "eduPersonEntitlement": (OPERATE,),
            },
            library=ENTERS,
            instrument="enters: an operator",
        ),
        DemoPerson(
            "emil",
            "emil-counts-stars",
            {
                "displayName": ("Emil Éclair",),
                "mail": ("emil@southbank.example",),
                "eduPersonPrincipalName": ("emil@southbank.example",),
                "eduPersonScopedAffiliation": _affiliations("southbank.example", "member", "student"),
            },
            library=ENTERS,
            instrument="enters: operator in the VO",
        ),
        DemoPerson(
            "fay",
            "fay-visits-often",
            {
                "displayName": ("Fay Fisher",),
                "mail": ("fay@southbank.example",),
                "eduPersonPrincipalName": ("fay@southbank.example",),
                "eduPersonScopedAffiliation": _affiliations("southbank.example", "affiliate"),
                "eduPersonEntitlement": (OPERATE,),
            },
            library="refused: only a guest",
            instrument="enters: an operator",
        ),
    ),
)

HOMES: Final = (NORTHGATE, SOUTHBANK)
