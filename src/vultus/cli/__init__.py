"""The command line: Typer commands over the packages below, one file per command."""
