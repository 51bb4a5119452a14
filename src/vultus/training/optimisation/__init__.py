"""Optimisers, schedules, averaged weights, gradients."""
