"""Commands from a photo to a decision: detect, align, embed, verify, identify, cluster, gallery."""
