"""Who may do what: people, their sessions and tokens, what is shared, and what was done."""
