"""From VOMS-Admin's acceptable-use policy to ours: the versions up to the one in force, who signed which, who has to sign anew. Pure."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from voms.exchange.voms_admin_people import People
from voms.exchange.voms_admin_plan import PlannedMember, Remarks
from voms.exchange.voms_admin_rows import OldPolicy, OldSignature, OldVersion, OldVo
from voms.members.aup import DEFAULT_GRACE, LONGEST_DAYS, MAXIMUM_URL, AupVersion

VO_POLICY: Final = "VO-AUP"
"""What the original calls the policy of the VO; earlier releases had another one of the grid besides."""
_ADDRESS: Final = re.compile(r"https?://[!-~]+")
_OTHER_CHARACTERS: Final = re.compile(r"[^A-Za-z0-9 ._-]+")
_ENDS: Final = " ._-"
_LONGEST_NAME: Final = 64


def translate_policy(
    old: OldVo, people: People, text: str | None, at: datetime, remarks: Remarks
) -> tuple[AupVersion, ...]:
    """The versions, that in force last; the members in ``people`` get their signatures. ``text``: the words of the version in force, where
    the old database has an address only that nobody can open here."""
    policy = _policy(old, remarks)
    versions = [each for each in old.versions if policy is not None and each.policy == policy.number]
    for each in old.versions:
        if each.policy not in {known.number for known in old.policies}:
            remarks.left("version_of_no_policy", each.version)
    kept = _kept(versions, at, remarks)
    days = policy.days if policy is not None else None
    if policy is not None and days is not None and not 1 <= days <= LONGEST_DAYS:
        remarks.changed("sign_again", f"{policy.name}: {days}")
        days = None
    written: dict[int, AupVersion] = {}
    for version in kept:
        in_force = version is kept[-1]
        name = _name(version, {each.version for each in written.values()}, remarks)
        url, words = _words(version, text if in_force else None, remarks)
        begin = min(version.created or at, at)
        written[version.number] = AupVersion(name, url, words, days, DEFAULT_GRACE, begin)
    if text is not None and not kept:
        remarks.left("policy_text", text)
    if kept:
        _sign(old, people, written, kept[-1], at, remarks)
    return tuple(written.values())


def _policy(old: OldVo, remarks: Remarks) -> OldPolicy | None:
    chosen = next((each for each in old.policies if each.name == VO_POLICY), None)
    if chosen is None and len(old.policies) == 1:
        chosen = old.policies[0]
    for each in old.policies:
        if each is not chosen:
            remarks.left("policy", each.name)
    return chosen


def _kept(versions: list[OldVersion], at: datetime, remarks: Remarks) -> list[OldVersion]:
    """Those up to the one in force, by when they were made."""
    ordered = sorted(versions, key=lambda each: (min(each.created or at, at), bool(each.active), each.number))
    active = [each for each in ordered if each.active]
    if not active:
        for each in ordered:
            remarks.left("version_not_in_force", each.version)
        return []
    for each in active[:-1]:
        remarks.changed("version_in_force_too", each.version)
    place = ordered.index(active[-1])
    for each in ordered[place + 1 :]:
        remarks.left("version_not_in_force", each.version)
    return ordered[: place + 1]


def _name(version: OldVersion, taken: set[str], remarks: Remarks) -> str:
    name = _OTHER_CHARACTERS.sub("-", version.version).strip(_ENDS)[:_LONGEST_NAME].strip(_ENDS)
    if not name or name in taken:
        name = f"{name[: _LONGEST_NAME - 24]} {version.number}".strip()
    if name != version.version:
        remarks.changed("version_name", f"{version.version}: {name}")
    return name


def _words(version: OldVersion, text: str | None, remarks: Remarks) -> tuple[str | None, str | None]:
    """Address and text; one of them at least."""
    address = (version.url or "").strip()
    usable = len(address) <= MAXIMUM_URL and _ADDRESS.fullmatch(address) is not None
    words = text or (version.text or "").strip() or None
    if not usable and words is None:
        remarks.changed("version_address", f"{version.version}: {address}")
        words = address or version.version
    return address if usable else None, words


def _sign(
    old: OldVo, people: People, written: Mapping[int, AupVersion], current: OldVersion, at: datetime, remarks: Remarks
) -> None:
    known = {each.number: each for each in old.versions}
    left_out: dict[str, int] = defaultdict(int)
    signed: dict[int, dict[str, datetime]] = defaultdict(dict)
    asked: dict[int, datetime] = {}
    for each in old.signatures:
        member = people.members.get(each.user)
        if member is None or each.version not in known:
            remarks.left("signature_of_nobody", f"usr {each.user}, aup_version {each.version}")
            continue
        version = written.get(each.version)
        if version is None:
            left_out[known[each.version].version] += 1
            continue
        if each.at is None or each.at > at:
            remarks.left("signature_time", people.labels[each.user])
            continue
        when = signed[each.user].get(version.version)
        signed[each.user][version.version] = max(each.at, when) if when is not None else each.at
        again = _asked_again(each, current, at)
        if again is not None:
            remarks.changed("signs_again", people.labels[each.user])
            asked[each.user] = max(asked.get(each.user, again), again)
    for name, count in left_out.items():
        remarks.left("signatures_of_version", f"{name} ({count})")
    for number, of_versions in signed.items():
        people.members[number] = replace(people.members[number], signed=of_versions, asked_at=asked.get(number))


def _asked_again(signature: OldSignature, current: OldVersion, at: datetime) -> datetime | None:
    """Since when this signature of the version in force counts no longer. When a manager asked for a new one is not written: now."""
    if signature.version != current.number:
        return None
    if not signature.valid:
        return at
    forced = current.forced
    return forced if forced is not None and signature.at is not None and signature.at < forced <= at else None


def with_state_remarks(
    members: Mapping[int, PlannedMember], labels: Mapping[int, str], refused: Mapping[int, str], remarks: Remarks
) -> None:
    """Tells who will get nothing from now on although the old server had not suspended her. ``refused``: member to the code of that."""
    for number, code in refused.items():
        if members[number].suspended is None:
            remarks.changed("is_over" if code == "expired" else "has_not_signed", labels[number])
