"""A manifest done to a data set, and undone."""
