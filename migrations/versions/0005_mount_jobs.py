"""mount jobs"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "mount_jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("archive_id", sa.Integer(), nullable=True),
        sa.Column("archive", sa.Text(), nullable=False),
        sa.Column("lease_minutes", sa.Integer(), nullable=False),
        sa.Column("mountpoint", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.Column("mounted_at", sa.DateTime(), nullable=True),
        sa.Column("ended_by", sa.String(length=10), nullable=True),
        sa.Column("gave_way_to", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(
            ["archive_id"],
            ["archives.id"],
            name=op.f("fk_mount_jobs_archive_id_archives"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["id"], ["jobs.id"], name=op.f("fk_mount_jobs_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mount_jobs")),
    )
    with op.batch_alter_table("mount_jobs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_mount_jobs_archive_id"), ["archive_id"])


def downgrade() -> None:
    with op.batch_alter_table("mount_jobs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_mount_jobs_archive_id"))

    op.drop_table("mount_jobs")
