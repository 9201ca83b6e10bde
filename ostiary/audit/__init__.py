"""Who did what, when (DESIGN rule 10): rows written in the transaction that they record, chained and signed afterwards.

Never decides whether something may be done. People stand in an erasable table; the rows hold a salted commitment to
them.
"""

from ostiary.audit.chain import Break, ChainReport, Checkpoint, seal, verify_chain
from ostiary.audit.trail import Event, commitment_to, erase_person, events, events_of, latest_about, person_key, record

__all__ = [
    "Break",
    "ChainReport",
    "Checkpoint",
    "Event",
    "commitment_to",
    "erase_person",
    "events",
    "events_of",
    "latest_about",
    "person_key",
    "record",
    "seal",
    "verify_chain",
]
