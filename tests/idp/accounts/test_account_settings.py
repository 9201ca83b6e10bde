"""The configuration of accounts: what fits together, and what is told where it does not."""

from pathlib import Path

import pytest
import yaml

from idp.accounts.letters import Letters
from idp.settings import IdpSettings
from ostiary.config import load_settings
from ostiary.errors import ConfigurationError
from ostiary.mail import FileMailer
from ostiary.web.texts import Catalogue
from tests.idp.accounts.letterbox import NOW


def configured(path: Path, **changes: object) -> IdpSettings:
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))
    return load_settings(path, IdpSettings)


def test_by_default_nobody_registers_and_twelve_characters_are_asked_for(configuration: Path) -> None:
    settings = load_settings(configuration, IdpSettings)
    assert (settings.registration.by, settings.mail) == ((), None)
    assert settings.password_policy.minimum_length == 12


def test_registration_needs_mail(configuration: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        configured(configuration, registration={"by": ["password"]})
    assert (refused.value.code, refused.value.key) == ("config.registration_needs_mail", "registration")
    mail = {"type": "files", "directory": "mail"}
    assert configured(configuration, registration={"by": ["password"]}, mail=mail).registration.by == ("password",)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"registration": {"by": ["word of mouth"]}}, "config.wrong_value"),
        ({"registration": {"approve_domains": ["@example.org"]}}, "config.wrong_value"),
        ({"registration": {"tell": ["nobody"]}}, "config.mail_address"),
        ({"password_policy": {"breached_file": "none.txt"}}, "config.path_file"),
        ({"password_links": {"forgotten": "0s"}}, "config.duration"),
    ],
)
def test_a_mistake_is_named(configuration: Path, changes: dict[str, object], code: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        configured(configuration, **changes)
    assert refused.value.code == code


def test_the_words_of_the_organisation_are_known(configuration: Path) -> None:
    assert load_settings(configuration, IdpSettings).known_words == (
        "Example University",
        "Voorbeeld Universiteit",
        "example.org",
        "example.org",
        "localhost",
    )


def test_letters_are_in_the_language_of_their_reader(tmp_path: Path) -> None:
    texts = {"pages.idp.mail.approved.subject": "Hello", "pages.idp.mail.approved.body": "{login_name}"}
    dutch = {"pages.idp.mail.approved.subject": "Hallo bij {organisation}"}
    mailer = FileMailer(tmp_path, "a@b.example", lambda: NOW)
    catalogue = Catalogue({"en": texts, "nl": dutch})
    letters = Letters(catalogue, mailer, {"en": "Uni", "nl": "Univ\nersiteit"}, "https://home.example.org")
    assert letters.language_of({"preferredLanguage": ("zz, nl;q=0.8, en;q=0.2",)}) == "nl"
    assert letters.language_of({"preferredLanguage": ("zz",)}, "nl") == "nl"
    assert letters.language_of({}, "en") == "en"
    letters.send("approved", "ada@example.org", "nl", login_name="ada")
    assert b"Subject: Hallo bij Univ ersiteit\r\n" in next(tmp_path.iterdir()).read_bytes()
