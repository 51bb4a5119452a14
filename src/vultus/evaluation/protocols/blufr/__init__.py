"""BLUFR: ten splits of LFW, verification and open-set identification."""
