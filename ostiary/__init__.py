"""The ground floor of Ostiary, and (in ``command``) its roof. The house is described in docs/architecture.md."""
