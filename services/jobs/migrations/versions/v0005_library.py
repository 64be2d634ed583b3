"""What the library has of each job, and what people call it there."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the tables; jobs that are done are indexed at the next start."""
    op.create_table(
        "index_entries",
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.Float(), nullable=False),
        sa.Column("made_with", sa.Text(), nullable=False),
        sa.Column("result_at", sa.Float()),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.Column("title", sa.Text()),
        sa.Column("language", sa.String(16)),
        sa.Column("summary", sa.Text()),
        sa.Column("keywords", sa.JSON(), nullable=False),
        sa.Column("actions", sa.JSON(), nullable=False),
        sa.Column("enriched_by", sa.Text()),
        sa.PrimaryKeyConstraint("job_id", name="pk_index_entries"),
    )
    op.create_index("ix_index_entries_state", "index_entries", ["state"])
    op.create_table(
        "labels",
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("collections", sa.JSON(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.Column("written_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_labels"),
    )
