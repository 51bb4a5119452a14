"""The demo: what Vultus does, shown on real photos."""
