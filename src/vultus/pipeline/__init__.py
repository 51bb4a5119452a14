"""The whole flow from photos to decisions, wired from the packages below."""
