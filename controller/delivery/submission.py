"""Parcels that come in, as one step: all are kept or none.

Owns what a submission writes. Must not judge it: the desk does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from controller.domain.model import Custodian, CustodianKind, Event, Parcel, ParcelState
from controller.domain.records import ParcelRecord
from controller.store.changes import Changes, ParcelStep, SubmissionKey


def submission(parcels: Sequence[Parcel], key: str, fingerprint: str, now: datetime) -> Changes:
    """Every parcel at its origin, with an event each, under the caller's key."""
    records = [
        ParcelRecord(
            parcel,
            ParcelState.SUBMITTED,
            Custodian(CustodianKind.SITE, parcel.origin_site_id),
            times={ParcelState.SUBMITTED.value: now},
        )
        for parcel in parcels
    ]
    events = tuple(
        Event(
            "parcel.submitted",
            now,
            parcel_id=p.parcel_id,
            data={"custodian": f"site:{p.origin_site_id}", "carrier": p.carrier},
        )
        for p in parcels
    )
    idents = tuple(p.parcel_id for p in parcels)
    return Changes(
        parcels=tuple(ParcelStep(None, record) for record in records),
        events=events,
        key=SubmissionKey(key, fingerprint, idents, now),
    )
