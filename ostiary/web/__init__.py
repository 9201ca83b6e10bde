"""The web shell: texts, pages, headers, cookies and forms, with Flask only in ``service`` and ``csrf``.

Importing this package never imports Flask: the SP middleware lives in other people's applications.
"""

from ostiary.web.identity import PERSON_KEY, Person, person

__all__ = ["PERSON_KEY", "Person", "person"]
