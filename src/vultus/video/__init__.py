"""Frames -> tracks -> passages -> events: who passes a camera, decided once per passage."""
