"""`vultus gallery`: keys, audit log, upkeep of a gallery."""
