"""An active look: movements asked for in a random order, and whether a solid head makes them."""
