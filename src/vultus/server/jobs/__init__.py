"""Long work of a service: made, done one after another, gone on with after a kill."""
