"""The configuration of logins (``login:`` in ``sp.yaml``)."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from ostiary.config import Settings, WrongSetting
from ostiary.saml.authn_contexts import STRENGTH

REMEMBERED: Final = timedelta(days=365)
"""How long a browser remembers the home organisation that was chosen."""
MAXIMUM_KEPT_FORM: Final = 4 * 1024 * 1024

Comparison = Literal["exact", "minimum", "maximum", "better"]
RequestBinding = Literal["redirect", "post", "artifact"]


class LoginSettings(Settings):
    """What every login at this resource has to be, and how it is asked for. ``force_authn``: people prove anew who they are, each time;
    ``authn_contexts`` and ``comparison`` (SAML core 3.3.2.2.1): how they prove it; ``passive``: the home organisation is first asked
    without showing anything. ``request_binding``: by which binding an AuthnRequest goes, where the home organisation offers it.
    ``try_silently``: who comes to an open page is logged in without being asked, once per browser session, where that needs no page.
    ``keep_posted_forms``: up to how many bytes of a form are kept through a login, 0 for none."""

    force_authn: bool = False
    authn_contexts: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=256)], ...], Field(max_length=10)
    ] = ()
    comparison: Comparison = "exact"
    passive: bool = False
    request_binding: RequestBinding = "redirect"
    try_silently: bool = False
    keep_posted_forms: int = Field(default=256 * 1024, ge=0, le=MAXIMUM_KEPT_FORM)

    @field_validator("comparison")
    @classmethod
    def _comparable(cls, value: Comparison, info: ValidationInfo) -> Comparison:
        unknown = [one for one in info.data.get("authn_contexts", ()) if one not in STRENGTH]
        if value != "exact" and unknown:
            raise WrongSetting(
                "config.comparison", expected="classes whose strength is known, or comparison: exact", found=unknown[0]
            )
        return value
