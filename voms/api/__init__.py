"""The REST API of the administration: JSON over HTTPS for programs, on the same `voms.administration.desk` as commands and pages."""
