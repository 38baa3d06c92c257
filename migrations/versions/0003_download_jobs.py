"""download jobs"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "download_jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("archive_id", sa.Integer(), nullable=True),
        sa.Column("archive", sa.Text(), nullable=False),
        sa.Column("paths", sa.LargeBinary(), nullable=False),
        sa.Column("format", sa.String(length=10), nullable=False),
        sa.Column("eta_seconds", sa.Integer(), nullable=True),
        sa.Column("nfiles", sa.BigInteger(), nullable=True),
        sa.Column("file_size", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["archive_id"],
            ["archives.id"],
            name=op.f("fk_download_jobs_archive_id_archives"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["id"], ["jobs.id"], name=op.f("fk_download_jobs_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_download_jobs")),
    )
    with op.batch_alter_table("download_jobs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_download_jobs_archive_id"), ["archive_id"])
        batch_op.create_index(batch_op.f("ix_download_jobs_expires_at"), ["expires_at"])


def downgrade() -> None:
    with op.batch_alter_table("download_jobs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_download_jobs_expires_at"))
        batch_op.drop_index(batch_op.f("ix_download_jobs_archive_id"))

    op.drop_table("download_jobs")
