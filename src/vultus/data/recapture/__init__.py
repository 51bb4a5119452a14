"""Photos changed as if they had been printed, or shown on a screen, and photographed again.

An imitation and no attack: what a network learns from it says nothing of real prints and screens.
"""

from vultus.data.recapture.families import RECAPTURES, recaptured

__all__ = ["RECAPTURES", "recaptured"]
