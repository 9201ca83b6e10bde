"""Reads what a Shibboleth IdP was configured with, and writes it as this software's own documents. Releases nothing."""
