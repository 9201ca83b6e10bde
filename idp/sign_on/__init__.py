"""The Handle Service: an authentication request comes in, its person is found out, a Response goes out."""
