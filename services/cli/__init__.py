"""The command line: gives work to a running server, or does it where there is none."""
