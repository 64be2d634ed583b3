"""The only place that creates, moves or deletes files and directories."""
