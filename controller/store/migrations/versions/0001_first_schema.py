"""The first schema: parcels, assignments, outbox, events, leases, zones."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('assignment',
    sa.Column('assignment_id', sa.String(length=64), nullable=False),
    sa.Column('vehicle_id', sa.String(length=64), nullable=False),
    sa.Column('epoch', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('mission_kind', sa.String(length=8), nullable=False),
    sa.Column('mission', sa.JSON(), nullable=False),
    sa.Column('mission_hash', sa.String(length=64), nullable=False),
    sa.Column('arrive_at', sa.JSON(), nullable=False),
    sa.Column('created_at', sa.String(length=32), nullable=False),
    sa.Column('started_at', sa.String(length=32), nullable=True),
    sa.Column('ended_at', sa.String(length=32), nullable=True),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('assignment_id', name=op.f('pk_assignment'))
    )
    op.create_index(op.f('ix_assignment_state'), 'assignment', ['state'], unique=False)
    op.create_index('uq_assignment_open_vehicle', 'assignment', ['vehicle_id'], unique=True, sqlite_where=sa.text("state IN ('loaded', 'open', 'started')"), postgresql_where=sa.text("state IN ('loaded', 'open', 'started')"))
    op.create_table('event',
    sa.Column('seq', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('kind', sa.String(length=64), nullable=False),
    sa.Column('at', sa.String(length=32), nullable=False),
    sa.Column('parcel_id', sa.String(length=64), nullable=False),
    sa.Column('vehicle_id', sa.String(length=64), nullable=False),
    sa.Column('assignment_id', sa.String(length=64), nullable=False),
    sa.Column('data', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('seq', name=op.f('pk_event')),
    sqlite_autoincrement=True
    )
    op.create_index(op.f('ix_event_parcel_id'), 'event', ['parcel_id'], unique=False)
    op.create_table('hold',
    sa.Column('scope', sa.String(length=16), nullable=False),
    sa.Column('by', sa.String(length=128), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('since', sa.String(length=32), nullable=False),
    sa.PrimaryKeyConstraint('scope', name=op.f('pk_hold'))
    )
    op.create_table('idempotency',
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('fingerprint', sa.String(length=128), nullable=False),
    sa.Column('parcel_ids', sa.JSON(), nullable=False),
    sa.Column('at', sa.String(length=32), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_idempotency'))
    )
    op.create_table('lease',
    sa.Column('vehicle_id', sa.String(length=64), nullable=False),
    sa.Column('owner', sa.String(length=64), nullable=False),
    sa.Column('epoch', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('taken_at', sa.String(length=32), nullable=False),
    sa.PrimaryKeyConstraint('vehicle_id', name=op.f('pk_lease'))
    )
    op.create_table('outbox',
    sa.Column('command_id', sa.String(length=64), nullable=False),
    sa.Column('vehicle_id', sa.String(length=64), nullable=False),
    sa.Column('epoch', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('assignment_id', sa.String(length=64), nullable=False),
    sa.Column('body_hash', sa.String(length=64), nullable=False),
    sa.Column('by', sa.String(length=128), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.String(length=32), nullable=False),
    sa.Column('sent_at', sa.String(length=32), nullable=True),
    sa.Column('ended_at', sa.String(length=32), nullable=True),
    sa.PrimaryKeyConstraint('command_id', name=op.f('pk_outbox'))
    )
    op.create_index(op.f('ix_outbox_assignment_id'), 'outbox', ['assignment_id'], unique=False)
    op.create_index(op.f('ix_outbox_state'), 'outbox', ['state'], unique=False)
    op.create_index(op.f('ix_outbox_vehicle_id'), 'outbox', ['vehicle_id'], unique=False)
    op.create_table('parcel',
    sa.Column('parcel_id', sa.String(length=64), nullable=False),
    sa.Column('body', sa.JSON(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('custodian_kind', sa.String(length=16), nullable=False),
    sa.Column('custodian_id', sa.String(length=64), nullable=False),
    sa.Column('times', sa.JSON(), nullable=False),
    sa.Column('vehicle_id', sa.String(length=64), nullable=False),
    sa.Column('assignment_id', sa.String(length=64), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('not_before', sa.String(length=32), nullable=True),
    sa.Column('reasons', sa.JSON(), nullable=False),
    sa.Column('proof', sa.JSON(), nullable=True),
    sa.Column('explanation', sa.JSON(), nullable=True),
    sa.PrimaryKeyConstraint('parcel_id', name=op.f('pk_parcel'))
    )
    op.create_index(op.f('ix_parcel_state'), 'parcel', ['state'], unique=False)
    op.create_table('zone_set',
    sa.Column('scope', sa.String(length=16), nullable=False),
    sa.Column('version', sa.String(length=64), nullable=False),
    sa.Column('source_version', sa.String(length=64), nullable=False),
    sa.Column('body', sa.JSON(), nullable=False),
    sa.Column('by', sa.String(length=128), nullable=False),
    sa.Column('at', sa.String(length=32), nullable=False),
    sa.PrimaryKeyConstraint('scope', name=op.f('pk_zone_set'))
    )
    op.create_table('assignment_parcel',
    sa.Column('assignment_id', sa.String(length=64), nullable=False),
    sa.Column('parcel_id', sa.String(length=64), nullable=False),
    sa.Column('place', sa.Integer(), nullable=False),
    sa.Column('open', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['assignment_id'], ['assignment.assignment_id'], name=op.f('fk_assignment_parcel_assignment_id')),
    sa.ForeignKeyConstraint(['parcel_id'], ['parcel.parcel_id'], name=op.f('fk_assignment_parcel_parcel_id')),
    sa.PrimaryKeyConstraint('assignment_id', 'parcel_id', name=op.f('pk_assignment_parcel'))
    )
    op.create_index('uq_assignment_open_parcel', 'assignment_parcel', ['parcel_id'], unique=True, sqlite_where=sa.text('open IS 1'), postgresql_where=sa.text('open IS true'))


def downgrade() -> None:
    op.drop_index('uq_assignment_open_parcel', table_name='assignment_parcel', sqlite_where=sa.text('open IS 1'), postgresql_where=sa.text('open IS true'))
    op.drop_table('assignment_parcel')
    op.drop_table('zone_set')
    op.drop_index(op.f('ix_parcel_state'), table_name='parcel')
    op.drop_table('parcel')
    op.drop_index(op.f('ix_outbox_vehicle_id'), table_name='outbox')
    op.drop_index(op.f('ix_outbox_state'), table_name='outbox')
    op.drop_index(op.f('ix_outbox_assignment_id'), table_name='outbox')
    op.drop_table('outbox')
    op.drop_table('lease')
    op.drop_table('idempotency')
    op.drop_table('hold')
    op.drop_index(op.f('ix_event_parcel_id'), table_name='event')
    op.drop_table('event')
    op.drop_index('uq_assignment_open_vehicle', table_name='assignment', sqlite_where=sa.text("state IN ('loaded', 'open', 'started')"), postgresql_where=sa.text("state IN ('loaded', 'open', 'started')"))
    op.drop_index(op.f('ix_assignment_state'), table_name='assignment')
    op.drop_table('assignment')
