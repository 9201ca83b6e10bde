"""What a login name and an attribute may look like, and when two login names are the same. Pure."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

from ostiary.errors import Refusal

EXTERNAL_ID: Final = "voPersonExternalID"
"""The attribute (voPerson 2.0) that holds what other organisations call a person: ``pairwise-id``, ``subject-id``, ePPN."""

MAXIMUM_LOGIN_NAME: Final = 128
MAXIMUM_VALUE: Final = 4_096
MAXIMUM_VALUES: Final = 1_000
MAXIMUM_ATTRIBUTES: Final = 50
# A friendly name or a URI.
_ATTRIBUTE_NAME: Final = re.compile(r"[!-~]{1,256}")
_UNWRITABLE: Final = ("Cc", "Cf", "Cs", "Zl", "Zp")


def login_key(login_name: str) -> str:
    """The form in which two login names are compared: NFKC and case folding (Unicode 3.13, toNFKC_Casefold), without outer spaces."""
    folded = unicodedata.normalize("NFKC", login_name).casefold()
    return unicodedata.normalize("NFKC", folded).strip()


def external_key(value: str) -> str:
    """What two identifiers that other organisations gave out have in common when they are the same: ASCII letters in any case (SAML V2.0
    Subject Identifier Attributes Profile 1.0, 3.3 and 3.4), everything else exactly. SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(value.encode().lower()).hexdigest()


def is_visible(text: str) -> bool:
    """Whether every character can be seen, or is a space: no control, format or line-breaking character."""
    return not any(unicodedata.category(character) in _UNWRITABLE for character in text)


def checked_login_name(login_name: str) -> str:
    """The login name as it is kept: NFC, without outer spaces. Raises `Refusal` (``people.login_name``)."""
    shown = unicodedata.normalize("NFC", login_name).strip()
    if not 0 < len(shown) <= MAXIMUM_LOGIN_NAME or not 0 < len(login_key(shown)) <= 2 * MAXIMUM_LOGIN_NAME:
        raise Refusal("people.login_name", expected=f"1 to {MAXIMUM_LOGIN_NAME} characters", found=len(shown))
    if not is_visible(shown):
        raise Refusal("people.login_name", expected="visible characters", found="a control or format character")
    return shown


def check_attributes(attributes: Mapping[str, Sequence[str]]) -> None:
    """Raises `Refusal` (``people.attributes``, ``people.attribute_name``, ``people.attribute_value``)."""
    if len(attributes) > MAXIMUM_ATTRIBUTES:
        raise Refusal("people.attributes", expected=f"at most {MAXIMUM_ATTRIBUTES} at a time", found=len(attributes))
    for name, values in attributes.items():
        if _ATTRIBUTE_NAME.fullmatch(name) is None:
            raise Refusal("people.attribute_name", expected="the name of an attribute", found=repr(name[:80]))
        if len(values) > MAXIMUM_VALUES or not all(0 < len(value) <= MAXIMUM_VALUE for value in values):
            raise Refusal(
                "people.attribute_value",
                expected=f"at most {MAXIMUM_VALUES} values of 1 to {MAXIMUM_VALUE} characters",
                found=f"{len(values)} values",
                name=name,
            )
