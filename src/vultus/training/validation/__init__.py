"""Sets that a run is measured on while it trains."""
