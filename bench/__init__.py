"""Benchmarks: each row beside the bare work that can't be avoided (its limit), measured in the same run."""
