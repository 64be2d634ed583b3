"""How a result looks, one module per kind of result."""
