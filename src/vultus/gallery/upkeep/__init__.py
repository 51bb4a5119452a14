"""A gallery as a whole: keys changed, backups restored, time kept, files given out."""
