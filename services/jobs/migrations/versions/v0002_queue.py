"""Claims with a token and a heartbeat, turns of batches, an order that people change, removals."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add them; a job that is done has its result since it finished."""
    op.add_column("batches", sa.Column("turn", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("run", sa.String(32)))
    op.add_column("jobs", sa.Column("seen_at", sa.Float()))
    op.add_column("jobs", sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("result_at", sa.Float()))
    op.execute("UPDATE jobs SET result_at = finished_at WHERE state = 'done'")
    op.drop_index("ix_jobs_kind_state_owner_queued_at_position", "jobs")
    op.drop_index("ix_jobs_state", "jobs")
    op.create_index(
        "ix_jobs_kind_state_owner_batch_id_queued_at_position",
        "jobs",
        ["kind", "state", "owner", "batch_id", "queued_at", "position"],
    )
    op.create_index("ix_jobs_kind_state_priority", "jobs", ["kind", "state", "priority"])
    op.create_index("ix_jobs_state_created_at", "jobs", ["state", "created_at"])
    op.create_index("ix_jobs_created_at", "jobs", ["created_at"])
    op.create_index("ix_jobs_sha256", "jobs", ["sha256"])
    op.create_table(
        "pauses",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_pauses"),
    )
    op.create_table(
        "removals",
        sa.Column("path", sa.String(2000), nullable=False),
        sa.Column("asked_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_removals"),
    )
