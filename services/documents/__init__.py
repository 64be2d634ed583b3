"""From a PDF to a document: reading and rendering in processes that can be ended."""
