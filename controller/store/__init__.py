"""What is kept: parcels, assignments, commands, events, leases. SQLAlchemy lives here alone."""
