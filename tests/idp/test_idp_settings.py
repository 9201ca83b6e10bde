"""The configuration of the identity provider, its handle keys and its metadata."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from attribute_authority.settings import AttributeAuthoritySettings
from idp.metadata import idp_role
from idp.settings import IdpSettings
from ostiary.command.home import home_entity
from ostiary.config import Sources, load_settings
from ostiary.errors import ConfigurationError
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import Endpoint, Entity, EntityKey, LocalizedText, Logo, Scope
from ostiary.federation.publish.documents import unsigned_entity
from ostiary.federation.read import read_unsigned_local_metadata
from ostiary.handle import load_handle_keys
from ostiary.saml import names


def changed(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_a_complete_file_is_read_with_its_defaults(configuration: Path) -> None:
    settings = load_settings(configuration, IdpSettings)
    assert settings.entity_id == "https://home.example.org/idp"
    assert settings.organisation.name == {"en": "Example University", "nl": "Voorbeeld Universiteit"}
    assert settings.sessions.lifetimes().idle == timedelta(hours=2)
    limits = settings.throttle.limits()
    assert (limits.per_name_and_address, limits.per_name, limits.per_address) == (10, 50, 100)
    assert settings.handle_keys == (configuration.parent / "handle.key",)
    assert settings.attributes_in_response.sends_to("https://library.example.net/sp") is True


@pytest.mark.parametrize(
    ("public_url", "context_class"),
    [
        ("http://localhost:8001", names.PASSWORD_PROTECTED_TRANSPORT),  # it never leaves the machine
        ("https://login.example.org/idp/", names.PASSWORD_PROTECTED_TRANSPORT),
        ("http://login.example.org", names.PASSWORD),
    ],
)
def test_a_password_that_travels_in_the_open_makes_a_login_only_password(
    configuration: Path, public_url: str, context_class: str
) -> None:
    allowed = changed(configuration, "public_url:", "allow_http_beyond_loopback: true\npublic_url:")
    rules = load_settings(changed(allowed, "http://localhost:8001", public_url), IdpSettings).rules()
    assert rules.assurance.password == context_class
    assert rules.post_url == public_url.rstrip("/") + "/saml/sso/post"


@pytest.mark.parametrize(
    ("old", "new", "code", "key", "line"),
    [
        ("entity_id: https://home.example.org/idp", "entity_id: no URI", "config.entity_id", "entity_id", 2),
        ("{en: Example University, nl", "{nl", "config.no_english", "organisation.name", 6),
        ("scopes: [example.org]", "scopes: [Example.ORG]", "config.wrong_value", "scopes[0]", 9),
        ("handle_keys: [handle.key]", "handle_keys: []", "config.wrong_value", "handle_keys", 14),
        ("handle_keys: [handle.key]", "handle_keys: [nowhere.key]", "config.path_file", "handle_keys[0]", 14),
        ("scopes:", "scope:", "config.mistyped_key", "scope", 9),
    ],
)
def test_a_broken_file_is_refused_with_line_and_key(
    configuration: Path, old: str, new: str, code: str, key: str, line: int
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings(changed(configuration, old, new), IdpSettings)
    assert (refused.value.code, refused.value.key, refused.value.line) == (code, key, line)


def test_attributes_stay_out_of_the_response_where_the_settings_say_so(configuration: Path) -> None:
    with configuration.open("a") as file:
        file.write("attributes_in_response: {never_for: [https://a.example/sp]}\n")
    sends_to = load_settings(configuration, IdpSettings).attributes_in_response.sends_to
    assert sends_to("https://a.example/sp") is False
    assert sends_to("https://b.example/sp") is True


def private(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    os.chmod(path, 0o600)
    return path


def test_handle_keys_are_read_in_their_order_raw_or_as_digits(tmp_path: Path) -> None:
    first = private(tmp_path / "a", b"A" * 32)
    second = private(tmp_path / "b", b"42" * 32 + b"\n")
    sources = Sources()
    keys = load_handle_keys([first, second], sources)
    assert [key.secret for key in keys] == [b"A" * 32, b"B" * 32]
    assert sources.paths() == (first, second)


@pytest.mark.parametrize("content", [b"", b"A" * 31, b"A" * 33, b"4" * 63, b"zz" * 32, b"\xff" * 64])
def test_a_file_of_another_form_is_no_handle_key(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_handle_keys([private(tmp_path / "key", content)])
    assert refused.value.code == "handle.key_file"
    assert "A" * 31 not in str(refused.value)


def test_a_handle_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = private(tmp_path / "key", b"A" * 32)
    os.chmod(path, 0o644)
    with pytest.raises(ConfigurationError) as refused:
        load_handle_keys([path])
    assert refused.value.code == "config.private_file_mode"


def test_metadata_publishes_endpoints_keys_scopes_and_names(configuration: Path, idp_signer) -> None:
    settings = load_settings(configuration, IdpSettings)
    key = EntityKey(idp_signer.public, "signing", idp_signer.certificate)
    entity = Entity(settings.entity_id, idp=idp_role(settings, KeyRing(idp_signer, (key,))))
    (read,) = read_unsigned_local_metadata(unsigned_entity(entity))
    assert read.idp is not None
    assert read.idp.single_sign_on == (
        Endpoint(names.HTTP_REDIRECT, "http://localhost:8001/saml/sso/redirect"),
        Endpoint(names.HTTP_POST, "http://localhost:8001/saml/sso/post"),
        Endpoint(names.HTTP_POST_SIMPLE_SIGN, "http://localhost:8001/saml/sso/simple-sign"),
        Endpoint(names.SOAP, "http://localhost:8001/saml/sso/ecp"),
        Endpoint(names.SHIBBOLETH_REQUEST, "http://localhost:8001/saml/sso/unsolicited"),
    )
    assert read.idp.artifact_resolution == (
        Endpoint(names.SOAP, "http://localhost:8001/saml/artifact", index=0, is_default=True),
    )
    assert read.idp.signing_keys() == (idp_signer.public,)
    assert read.idp.scopes == (Scope("example.org"),)
    assert read.idp.nameid_formats == (names.TRANSIENT,)
    assert read.idp.want_authn_requests_signed is False
    assert read.name("nl") == "Voorbeeld Universiteit"
    assert read.idp.display.domain_hints == ("example.org",)


def test_metadata_publishes_what_the_organisation_wants_to_say(configuration: Path, idp_signer) -> None:
    said = """published:
  logos: [{url: "https://example.org/logo.png", width: 120, height: 80}]
  keywords: {en: [physics, high energy]}
  information_url: {en: "https://example.org/about"}
  privacy_statement_url: {en: "https://example.org/privacy"}
  error_url: https://example.org/help?code=ERRORURL_CODE
  organisation: {name: {en: Example Foundation}, url: {en: "https://foundation.example"}}
  contacts: [{kind: technical, name: Help Desk, email: help@example.org}, {kind: security, email: cert@example.org}]
  registration_authority: https://federation.example
  entity_attributes: {"http://macedir.org/entity-category-support": ["http://refeds.org/category/research-and-scholarship"]}
"""
    configuration.write_text(configuration.read_text() + said)
    settings = load_settings(configuration, IdpSettings)
    key = EntityKey(idp_signer.public, "signing", idp_signer.certificate)
    authority = AttributeAuthoritySettings.model_construct(public_url="https://example.org/aa", back_channel=None)
    entity = home_entity(settings, authority, KeyRing(idp_signer, (key,)), "")
    (read,) = read_unsigned_local_metadata(unsigned_entity(entity))
    shown = read.idp.display
    assert shown.logos == (Logo("https://example.org/logo.png", 120, 80),)
    assert shown.keywords == (LocalizedText("physics high+energy", "en"),)
    assert shown.information_urls == (LocalizedText("https://example.org/about", "en"),)
    assert shown.privacy_statement_urls == (LocalizedText("https://example.org/privacy", "en"),)
    assert read.idp.error_url == "https://example.org/help?code=ERRORURL_CODE"
    assert read.organization_urls == (LocalizedText("https://foundation.example", "en"),)
    assert [(one.kind, one.name, one.emails, one.for_security) for one in read.contacts] == [
        ("technical", "Help Desk", ("help@example.org",), False),
        ("other", "", ("cert@example.org",), True),
    ]
    assert read.registration_authority == "https://federation.example"
    assert read.entity_attributes == (
        ("http://macedir.org/entity-category-support", ("http://refeds.org/category/research-and-scholarship",)),
    )
