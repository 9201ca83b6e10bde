"""Second factors: one-time codes, passkeys and recovery codes; how people enrol them, and when one is asked for."""
