"""Trust heads: damaged copies of aligned crops, a small network on an embedder's maps, a limit."""
