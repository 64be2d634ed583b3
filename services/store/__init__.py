"""The database that everything is kept in: its connections, and the base of its tables."""
