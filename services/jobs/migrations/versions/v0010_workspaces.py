"""Batches are found by their workspace: at each submission, and by the janitor."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_batches_workspace", "batches", ["workspace"])
