"""What became of the certificates that a VO issued: which are taken back, and how relying parties learn of it."""
