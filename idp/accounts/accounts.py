"""What people of the embedded directory do with their own accounts: passwords, links, registrations. Knows no page.

What depends on who exists is an errand, done after the answer went out, so that neither its words nor its time tell.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from idp.accounts import links, registrations
from idp.accounts.changes import Change
from idp.accounts.directory import Directory, Person
from idp.accounts.letters import FORGOTTEN_PATH, PROVE_PATH, RESET_PATH, Kind, Letters, hours, mail_of, minutes
from idp.accounts.limits import LetterLimits
from idp.accounts.password_policy import PasswordPolicy
from idp.accounts.passwords import Passwords, prepared_password
from idp.accounts.registrations import Applicant, Registration
from idp.accounts.settings import LinkSettings, RegistrationSettings
from ostiary.errors import NotAuthenticated, Refusal, Unavailable
from ostiary.mail import domain_of, is_address
from ostiary.storage.engine import reading
from ostiary.web.errands import Errands
from ostiary.x509.certificate_names import CertificateNames

_ANYBODY: Final = "anybody"
_IDP: Final = "idp"


@dataclass(frozen=True, slots=True, eq=False)
class Accounts:
    """Everything that the pages of people's own accounts work with. ``letters`` None: there is no way to send mail, so nobody can register
    or be sent a link."""

    directory: Directory
    passwords: Passwords
    policy: PasswordPolicy
    links: LinkSettings
    registration: RegistrationSettings
    limits: LetterLimits
    errands: Errands
    letters: Letters | None = None

    # --- passwords

    def checked_hash(self, password: str, about: Iterable[str]) -> str:
        """The hash of a new password. Raises as `PasswordPolicy.check` and `Passwords.hash`."""
        self.policy.check(password, about)
        return self.passwords.hash(password)

    def about(self, person: Person) -> tuple[str, ...]:
        """What a password of hers must not consist of."""
        attributes = self.directory.attributes(person.principal)
        named = (registrations.DISPLAY_NAME, "givenName", "sn", "cn", "mail")
        return (person.login_name, *(value for name in named for value in attributes.get(name, ())))

    def change_password(self, person: Person, current: str, new: str, *, session_id: str, now: datetime) -> None:
        """She changes her own password; her other sessions end, and she gets a letter.

        Raises `NotAuthenticated` (``account.wrong_password``), `Refusal` (``password.same``, and as `checked_hash`).
        """
        credentials = self.directory.credentials_of(person.principal)
        stored = credentials.password_hash if credentials is not None else None
        if not self.passwords.check(stored, current).right:
            raise NotAuthenticated("account.wrong_password", expected="the present password", found="another")
        if prepared_password(new) == prepared_password(current):
            raise Refusal("password.same", expected="another password", found="the same")
        password_hash = self.checked_hash(new, self.about(person))
        self.directory.set_password(
            person.principal, password_hash, at=now, by=person.principal, keep_session=session_id
        )
        self._tell_password_set(person)

    def ask_for_link(self, who: str, language: str, now: datetime) -> None:
        """Somebody forgot her password: where ``who`` (login name or mail address) is somebody active with a password and a mailbox, a
        link goes there. The same for who exists and who doesn't."""
        self.errands.do("forgotten password", lambda: self._send_links(who, language, now))

    def holder_of_link(self, token: str, now: datetime) -> Person:
        """Whose link this is. Raises `Refusal` (``account.link``)."""
        with reading(self.directory.engine) as connection:
            principal = links.holder_of_link(connection, token, now)
        person = self.directory.get(principal)
        if person is None:
            raise Refusal("account.link", expected="a link of somebody", found="a link of nobody")
        return person

    def use_link(self, token: str, new: str, now: datetime) -> Person:
        """Sets her password by a one-time link; all her sessions end. Raises as `holder_of_link` and `checked_hash`."""
        person = self.holder_of_link(token, now)
        password_hash = self.checked_hash(new, self.about(person))
        with self.directory.change(at=now, by=_ANYBODY) as change:
            links.use_link(change, token, password_hash)
        self._tell_password_set(person)
        return person

    def _send_links(self, who: str, language: str, now: datetime) -> None:
        found = self.directory.find(who)
        people = self.directory.by_mail(who) if found is None and is_address(who) else (found,) if found else ()
        for person in people:
            # A person who was invited and never chose a password has none yet, but is to have one.
            entitled = person.active and (person.has_password or person.must_change_password)
            if entitled and self.limits.may_write(person.principal, now):
                self.send_link(person, "reset", language, at=now, by=_ANYBODY)

    def send_link(self, person: Person, kind: Kind, language: str, *, at: datetime, by: str) -> bool:
        """A letter with a new one-time link: ``reset`` for who forgot, ``invitation`` for who is new. False for somebody without a
        mailbox, who gets none. Raises as `Mailer.send`."""
        attributes = self.directory.attributes(person.principal)
        mail = mail_of(attributes)
        if self.letters is None or mail is None:
            return False
        lifetime = self.links.invitation if kind == "invitation" else self.links.forgotten
        with self.directory.change(at=at, by=by) as change:
            token = links.issue_link(change, person.principal, lifetime=lifetime)
        self.letters.send(
            kind,
            mail,
            self.letters.language_of(attributes, language),
            login_name=person.login_name,
            link=self.letters.link(RESET_PATH, token),
            minutes=minutes(lifetime),
            hours=hours(lifetime),
        )
        return True

    def _tell_password_set(self, person: Person) -> None:
        def tell() -> None:
            attributes = self.directory.attributes(person.principal)
            mail = mail_of(attributes)
            if self.letters is not None and mail is not None:
                language = self.letters.language_of(attributes)
                self.letters.send("password_set", mail, language, login_name=person.login_name)

        self._notify("password changed", tell)

    # --- registrations

    def register(self, applicant: Applicant, now: datetime) -> None:
        """Somebody wants to become a member: a letter goes out, which one only its mailbox learns."""
        self.errands.do("registration", lambda: self._register(applicant, now))

    def _register(self, applicant: Applicant, now: datetime) -> None:
        letters = self.letters
        if letters is None or not self.limits.may_write(applicant.mail, now):
            return
        with self.directory.change(at=now, by=_IDP) as change:
            registrations.erase_expired(change)
        lifetime = self.registration.confirm_within
        with self.directory.change(at=now, by=_ANYBODY) as change:
            known = registrations.is_known(change.connection, applicant.mail)
            token = None if known else registrations.begin(change, applicant, lifetime=lifetime)
        to, language = applicant.mail, applicant.language
        if known:
            letters.send("register_known", to, language, link=letters.public_url + FORGOTTEN_PATH)
        elif token is None:
            letters.send("register_waits", to, language)
        else:
            letters.send("register", to, language, link=letters.link(PROVE_PATH, token), hours=hours(lifetime))

    def registration_of(self, token: str, now: datetime) -> Registration:
        """The registration whose mail address this link proves. Raises `Refusal` (``registration.link``)."""
        with reading(self.directory.engine) as connection:
            return registrations.look(connection, token, now)

    def prove(
        self, token: str, now: datetime, *, password: str | None = None, certificate: CertificateNames | None = None
    ) -> str | None:
        """The address is proven, and how she will log in is known: her login name where that needs no approval, else None.

        Raises `Refusal`: as `registration_of`, `checked_hash`, ``registration.certificate_known``.
        """
        applicant = self.registration_of(token, now).applicant
        about = (applicant.mail, applicant.display_name)
        password_hash = self.checked_hash(password, about) if password is not None else None
        with self.directory.change(at=now, by=_ANYBODY) as change:
            proven = registrations.prove(
                change,
                token,
                password_hash=password_hash,
                certificate=certificate,
                lifetime=self.registration.decide_within,
            )
            ready = self._approve_at_once(change, proven)
        if not ready:
            self._tell_operators(proven)
        return applicant.mail if ready else None

    def _approve_at_once(self, change: Change, proven: Registration) -> bool:
        applicant = proven.applicant
        if domain_of(applicant.mail) not in self.registration.approve_domains:
            return False
        if registrations.is_known(change.connection, applicant.mail):
            # Somebody became known under this address since the letter went out: an operator decides.
            return False
        by_idp = Change(change.connection, change.at, _IDP, change.writer)
        attributes = self.registration.attributes
        registrations.approve(by_idp, proven, login_name=applicant.mail, attributes=attributes)
        return True

    def _tell_operators(self, proven: Registration) -> None:
        def tell() -> None:
            for operator in self.registration.tell if self.letters is not None else ():
                applicant = proven.applicant
                if self.letters is not None:
                    self.letters.send("waits", operator, "en", name=applicant.display_name, mail=applicant.mail)

        self._notify("registration waits", tell)

    def _notify(self, name: str, tell: Callable[[], None]) -> None:
        """A letter about something that is done already, so that nothing about it can fail any more."""
        with suppress(Unavailable):
            self.errands.do(name, tell)
