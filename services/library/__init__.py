"""The library: chunking, embeddings, the single writer of the database, and search."""
