"""The attribute requester (SHAR): asks Attribute Authorities about a person who has logged in."""
