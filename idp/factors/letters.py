"""The letters about second factors: one was added or removed, a recovery code was used. Whoever did not do it herself learns of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from idp.accounts.letters import Letters, mail_of
from idp.factors.rules import PersonAttributes
from ostiary.errors import Unavailable
from ostiary.web.errands import Errands
from ostiary.web.log import Log

Occasion = Literal["factor_added", "factor_removed", "recovery_code_used", "recovery_codes_made"]


@dataclass(frozen=True, slots=True, eq=False)
class FactorLetters:
    """Writes to people about their factors. ``letters`` None: there is no way to send mail, and nobody is written to."""

    letters: Letters | None
    errands: Errands
    own_attributes: Callable[[str], PersonAttributes]
    log: Log

    def tell(self, occasion: Occasion, principal: str) -> None:
        """Afterwards, if she has an address. What happened has happened: never raises because it can't be told."""
        letters = self.letters
        if letters is None:
            return

        def send() -> None:
            known = {name: tuple(values) for name, values in self.own_attributes(principal).items()}
            address = mail_of(known)
            if address is not None:
                letters.send(occasion, address, letters.language_of(known))

        try:
            self.errands.do("letter about second factors", send)
        except Unavailable as problem:
            self.log.error("letter_not_sent", occasion=occasion, code=problem.code, found=problem.found)
