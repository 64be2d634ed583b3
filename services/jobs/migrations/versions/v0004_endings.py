"""The ends of batches, for those who want to be told; the states of a batch's jobs by index."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add them; nobody is told of batches that ended before."""
    op.create_index("ix_jobs_batch_id_state", "jobs", ["batch_id", "state"])
    op.create_table(
        "endings",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("batch_id", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("due_at", sa.Float()),
        sa.Column("body", sa.Text()),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_endings"),
    )
    op.create_index("ix_endings_owner_at", "endings", ["owner", "at"])
    op.create_index("ix_endings_due_at", "endings", ["due_at"])
