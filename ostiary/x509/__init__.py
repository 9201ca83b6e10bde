"""Attribute certificates, proxy certificates, CA directories, LSC files, CRLs. Speaks to nobody; opens files only where it says so."""
