"""Somebody logged in, and what this resource has to know about everybody is not known about her."""

from ostiary.errors import Denied
from ostiary.policy.acceptance_changes import Requirement
from sp_shire.sessions.records import Knowledge


class AttributesMissing(Denied):
    """``missing``: what nothing fulfils, of what the acceptance policy requires; ``known``: what there is; ``target``: the path where her
    login was to end, empty where she had a session already."""

    def __init__(self, issuer: str, missing: tuple[Requirement, ...], known: Knowledge, target: str = "") -> None:
        names = "; ".join(" or ".join(requirement.any_of) for requirement in missing)
        given = sorted({attribute.name for attribute in known.attributes})
        super().__init__("sp.attributes_missing", expected=names, found=", ".join(given) or "nothing")
        self.issuer = issuer
        self.missing = missing
        self.known = known
        self.target = target
