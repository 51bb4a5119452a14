"""Protocols that are a list of pairs, in the layouts that are published, and packing one."""
