"""The home organisation's identity provider: login, single sign-on session and the Handle Service. Imports the ground floor only."""
