"""From VOMS-Admin's access-control lists to ours: whom its administrators mean, and what they may do where. Pure.

Nobody gets more than she had: an entry that can't be understood is left out, and told.
"""

from collections.abc import Container, Mapping
from types import MappingProxyType
from typing import Final

from ostiary.errors import Refusal
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import parse_fqan
from voms.administration.acl import AclEntry
from voms.administration.permissions import Permission
from voms.administration.who import Who, WhoKind
from voms.exchange.voms_admin_names import OldNames
from voms.exchange.voms_admin_plan import Remarks
from voms.exchange.voms_admin_rows import OldAdmin, OldList, OldVo

_OWN: Final = "/O=VOMS/O=System"
"""Names and CAs that begin so are the original's own."""
_GROUP: Final = f"{_OWN}/CN=VOMS Group"
_ROLE: Final = f"{_OWN}/CN=VOMS Role"
_MARKS: Final[Mapping[str, WhoKind]] = MappingProxyType(
    {
        f"{_OWN}/CN=Any Authenticated User": WhoKind.AUTHENTICATED,
        f"{_OWN}/CN=Unauthenticated Client": WhoKind.UNAUTHENTICATED,
        f"{_OWN}/CN=Absolutely Anyone": WhoKind.ANYONE,
    }
)
_OPERATORS: Final = frozenset((f"{_OWN}/CN=Internal VOMS Process", f"{_OWN}/CN=Local Database Administrator"))


def translate_lists(
    old: OldVo,
    names: OldNames,
    groups: Mapping[int, str],
    roles: Mapping[int, str],
    remarks: Remarks,
) -> tuple[AclEntry, ...]:
    """Every entry that means somebody. ``groups``, ``roles``: those that were taken over, by the old numbers."""
    whos = _whos(old, names, frozenset(groups.values()), frozenset(roles.values()), remarks)
    lists = _lists(old, groups, roles, remarks)
    entries: dict[tuple[str, str | None, bool, str], AclEntry] = {}
    admins = {each.number: each for each in old.admins}
    numbers = frozenset(each.number for each in old.lists)
    for each in old.permissions:
        admin = admins.get(each.admin)
        if admin is None or each.list_ not in numbers:
            remarks.left("entry_of_nothing", f"acl2 {each.list_}, admins {each.admin}")
            continue
        place, who = lists.get(each.list_), whos.get(each.admin)
        if place is None or who is None:
            # Told once for the list or the administrator.
            continue
        group, role, for_new = place
        bits = each.bits or 0
        where = group if role is None else f"{group}/Role={role}"
        if bits & ~int(Permission.ALL):
            remarks.changed("entry_bits", f"{where}: {admin.name} ({bits})")
        permissions = Permission(bits & int(Permission.ALL))
        if permissions == Permission.NONE:
            remarks.left("entry_of_no_permission", f"{where}: {admin.name}")
            continue
        entry = AclEntry(group, role, who, permissions, for_new)
        key = (group, role, for_new, who.key)
        if key in entries:
            remarks.changed("entry_twice", f"{where}: {admin.name}")
            entry = AclEntry(group, role, who, entries[key].permissions & permissions, for_new)
        entries[key] = entry
    without = set(groups.values()) - {entry.group for entry in entries.values()}
    for path in sorted(without):
        remarks.changed("group_without_list", path)
    return tuple(entries.values())


def _lists(
    old: OldVo, groups: Mapping[int, str], roles: Mapping[int, str], remarks: Remarks
) -> dict[int, tuple[str, str | None, bool]]:
    found: dict[int, tuple[str, str | None, bool]] = {}
    for each in old.lists:
        problem = _problem(each, groups, roles)
        if problem is not None:
            remarks.left(problem, f"acl2 {each.number}")
            continue
        role = roles[each.role] if each.role is not None else None
        found[each.number] = (groups[each.group], role, bool(each.default))
    return found


def _problem(each: OldList, groups: Container[int], roles: Container[int]) -> str | None:
    if each.group not in groups or (each.role is not None and each.role not in roles):
        return "list_of_nothing"
    # Lists for new groups belong to a group; the original makes none for a role.
    return "list_for_new_of_role" if each.default and each.role is not None else None


def _whos(
    old: OldVo, names: OldNames, groups: Container[str], roles: Container[str], remarks: Remarks
) -> dict[int, Who | None]:
    """Whom each administrator means who stands in a list; None: nobody here."""
    used = {each.admin for each in old.permissions}
    found: dict[int, Who | None] = {}
    for admin in old.admins:
        if admin.number not in used:
            continue
        if admin.name in _OPERATORS:
            remarks.changed("admin_is_operator", admin.name)
            found[admin.number] = None
            continue
        found[admin.number] = _who(admin, old.authorities.get(admin.authority), names, groups, roles)
        if found[admin.number] is None:
            remarks.left("admin", admin.name)
    return found


def _who(
    admin: OldAdmin, authority: str | None, names: OldNames, groups: Container[str], roles: Container[str]
) -> Who | None:
    if authority is None:
        return None
    if admin.name in _MARKS:
        return Who.of_kind(_MARKS[admin.name]) if authority.startswith(_OWN) else None
    try:
        if authority in (_GROUP, _ROLE):
            fqan = parse_fqan(admin.name)
            there = fqan.group in groups and (fqan.role is None or fqan.role in roles)
            return Who.fqan(fqan) if there and (fqan.role is None) == (authority == _GROUP) else None
        if authority.startswith(_OWN) or admin.name.startswith(_OWN):
            # Tags, capabilities and the like of earlier releases.
            return None
        return Who.certificate(CertificateNames(names.subject(admin.name), names.authority(authority)))
    except Refusal:
        return None
