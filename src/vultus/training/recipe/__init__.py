"""Recipes: their files, sections, overrides, and what they configure."""
