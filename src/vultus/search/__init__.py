"""Similarities of many vectors with many: exact search, int8 codes, and the tiles of both."""
