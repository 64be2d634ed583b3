"""Each program here prints one table: ours and the peers' on the same work in the same run."""
