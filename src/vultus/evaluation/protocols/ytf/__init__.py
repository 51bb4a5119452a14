"""YouTube Faces: pairs of videos."""
