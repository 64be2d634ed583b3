"""One file per page. Pages show what the runtime knows and hand it what people ask for."""
