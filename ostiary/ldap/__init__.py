"""Directories spoken to by LDAP, behind a small port."""
