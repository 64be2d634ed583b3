"""The server as a Windows service."""
