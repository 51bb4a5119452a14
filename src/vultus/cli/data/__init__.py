"""Commands around data sets: info, convert, align, audit, apply, pairs."""
