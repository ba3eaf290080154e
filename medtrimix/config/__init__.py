"""Typed configuration, YAML with line numbers, digests, atomic files."""
