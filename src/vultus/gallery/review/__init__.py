"""What people decide about a gallery's faces: unknown ones to be reviewed, persons to be merged."""
