"""The HTTP routes: who is let in, files and results, transcripts."""
