"""What is known of languages themselves: how each is called by those who speak it, and which are written from right to left. Data only."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

_RIGHT_TO_LEFT: Final = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "syr", "ug", "ur", "yi"})

_OWN_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ar": "العربية",
        "bg": "Български",
        "ca": "Català",
        "cs": "Čeština",
        "cy": "Cymraeg",
        "da": "Dansk",
        "de": "Deutsch",
        "el": "Ελληνικά",
        "en": "English",
        "es": "Español",
        "et": "Eesti",
        "eu": "Euskara",
        "fa": "فارسی",
        "fi": "Suomi",
        "fr": "Français",
        "ga": "Gaeilge",
        "gl": "Galego",
        "he": "עברית",
        "hr": "Hrvatski",
        "hu": "Magyar",
        "hy": "Հայերեն",
        "it": "Italiano",
        "ja": "日本語",
        "ka": "ქართული",
        "ko": "한국어",
        "lt": "Lietuvių",
        "lv": "Latviešu",
        "mk": "Македонски",
        "nb": "Norsk bokmål",
        "nl": "Nederlands",
        "nn": "Norsk nynorsk",
        "pl": "Polski",
        "pt": "Português",
        "ro": "Română",
        "ru": "Русский",
        "sk": "Slovenčina",
        "sl": "Slovenščina",
        "sq": "Shqip",
        "sr": "Српски",
        "sv": "Svenska",
        "tr": "Türkçe",
        "uk": "Українська",
        "ur": "اردو",
        "zh": "中文",
    }
)


def own_name(tag: str) -> str:
    """What speakers of the language call it; the tag itself (BCP 47) where that is not known."""
    return _OWN_NAMES.get(_primary(tag), tag)


def direction(tag: str) -> Literal["ltr", "rtl"]:
    """In which direction a page in this language (BCP 47) is read, for ``dir`` in HTML."""
    return "rtl" if _primary(tag) in _RIGHT_TO_LEFT else "ltr"


def _primary(tag: str) -> str:
    return tag.lower().partition("-")[0]
