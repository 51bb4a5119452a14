"""Webhooks: events of a gallery posted to where an operator wants them (Standard Webhooks)."""
