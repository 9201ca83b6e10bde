"""All entities of all sources of one machine, verified once and shared by its processes: a SQLite file from which each entity in use is
read. `MetadataIndex` is the file; `index_document`, `index_document_apart` and `index_entity` are the ways in, each with a proof;
`IndexedRegistry` is the way out.
"""

from ostiary.federation.index.apart import ApartLimits, index_document_apart
from ostiary.federation.index.checking import check_documents
from ostiary.federation.index.indexing import index_absence, index_document, index_entity, index_same_again
from ostiary.federation.index.records import Answer, Indexed, LeftOut, SourceState
from ostiary.federation.index.registry import IndexedRegistry, IndexedSource, OnDemand
from ostiary.federation.index.store import MetadataIndex

__all__ = [
    "Answer",
    "ApartLimits",
    "Indexed",
    "IndexedRegistry",
    "IndexedSource",
    "LeftOut",
    "MetadataIndex",
    "OnDemand",
    "SourceState",
    "check_documents",
    "index_absence",
    "index_document",
    "index_document_apart",
    "index_entity",
    "index_same_again",
]
