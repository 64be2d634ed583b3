"""What pages show of one kind of thing, a module for each."""
