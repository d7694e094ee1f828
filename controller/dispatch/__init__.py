"""Which vehicle carries which parcel, and why no other. Pure, seeded, runs in a thread."""
