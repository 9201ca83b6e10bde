"""What ``ostiary metadata`` does: fetch, verify, show, search, validate and compare. Nothing here makes anybody trusted by a service."""
