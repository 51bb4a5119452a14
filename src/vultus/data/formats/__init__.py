"""How data sets lie on disk: folders, zips, lists, RecordIO, pair sets."""
