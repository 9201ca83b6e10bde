"""Requests and invitations: who wants to become a member or to have more, who lets her, and what each is told by mail."""
