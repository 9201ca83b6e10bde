"""Access-control lists: who may do what in a group, or with a role in it, and what new groups get. The lists decide who changes them."""

from flask import Blueprint, Response

from ostiary.errors import Refusal
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import parse_fqan
from voms.administration.acl import AclEntry
from voms.administration.permissions import SINGLE, Permission
from voms.administration.who import Who, WhoKind
from voms.exchange.written_names import written_name
from voms.pages.forms import asked, attempt, filled, ticked, typed
from voms.pages.frame import go_to, names_of, show, visit
from voms.pages.members import identity_typed

LISTS = Blueprint("lists", __name__)

KINDS = (
    *(WhoKind.MEMBER, WhoKind.GROUP, WhoKind.ROLE, WhoKind.CERTIFICATE, WhoKind.IDENTITY),
    *(WhoKind.AUTHENTICATED, WhoKind.UNAUTHENTICATED, WhoKind.ANYONE),
)
MAXIMUM_WHO = 2_048
_HERE = "groups.all_groups"


@LISTS.get("/access")
def access(problem: Refusal | None = None) -> Response:
    """One list: of a group, of a role in it, or for new groups below it."""
    here = visit()
    group, role, for_new = asked("group") or here.root, asked("role") or None, asked("for") == "new"
    entries = here.desk.acl(group, role, for_new_groups=for_new)
    with here.rights() as rights:
        needed = Permission.ACL_DEFAULT if for_new else Permission.ACL_WRITE
        may_write = rights.allows(needed, group, role)
        own = names_of(rights.of(group, role))
    return show(
        "access.html",
        _HERE,
        problem=problem,
        group=group,
        role=role,
        for_new=for_new,
        entries=[(entry, names_of(entry.permissions)) for entry in entries],
        may_write=may_write,
        own=own,
        kinds=[kind.value for kind in KINDS],
        permissions=[str(each.name) for each in SINGLE],
        filled=filled() if problem is not None else {},
    )


@LISTS.post("/access/<what>")
def change_access(what: str) -> Response:
    """An entry of the list that the query names is set or taken out."""
    here = visit()
    group, role, for_new = asked("group") or here.root, asked("role") or None, asked("for") == "new"

    def change() -> Response:
        permissions = Permission.NONE
        for each in SINGLE:
            if ticked(f"may_{each.name}"):
                permissions |= each
        entry = AclEntry(group, role, _who(), permissions, for_new)
        below = ticked("below")
        match what:
            case "set":
                here.desk.set_acl_entry(entry, below=below)
            case "remove":
                here.desk.remove_acl_entry(entry, below=below)
            case _:
                raise Refusal("voms.no_such_change", expected="something that can be done with a list", found=what[:40])
        return go_to("lists.access", group=group, role=role, **{"for": "new" if for_new else None}, done="changed")

    return attempt(change, access)


def _who() -> Who:
    """Whom the form means. Raises `Refusal` (``voms.typed_who``, ``voms.typed_identity``, ``voms.written_name``, ``x509.fqan*``)."""
    kind, text = typed("kind", 32), typed("who", MAXIMUM_WHO)
    match kind:
        case WhoKind.AUTHENTICATED | WhoKind.UNAUTHENTICATED | WhoKind.ANYONE:
            return Who.of_kind(WhoKind(kind))
        case WhoKind.IDENTITY:
            identity = identity_typed()
            if identity is not None:
                return Who.identity(identity)
        case WhoKind.CERTIFICATE if text and typed("issuer", MAXIMUM_WHO):
            return Who.certificate(CertificateNames(written_name(text), written_name(typed("issuer", MAXIMUM_WHO))))
        case WhoKind.MEMBER if text:
            return Who.member(text)
        case WhoKind.GROUP | WhoKind.ROLE if text:
            return Who.fqan(parse_fqan(text))
    raise Refusal("voms.typed_who", expected="a kind, and who is meant", found=kind or "nothing")
