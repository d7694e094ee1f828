"""Where each vehicle was last, for the time until it is heard again after a restart."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "last_known",
        sa.Column("vehicle_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("lat_deg", sa.Double()),
        sa.Column("lon_deg", sa.Double()),
        sa.Column("alt_amsl_m", sa.Double()),
        sa.Column("alt_home_m", sa.Double()),
        sa.Column("heading_deg", sa.Double()),
        sa.Column("battery_pct", sa.Double()),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("vehicle_id", name=op.f("pk_last_known")),
    )


def downgrade() -> None:
    op.drop_table("last_known")
