"""The Attribute Authority: finds out what is known about a person and tells a requester what the release policies
allow.
"""
