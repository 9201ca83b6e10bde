"""The third way in: a TLS client certificate, or a proxy with VOMS attribute certificates, in place of a login."""
