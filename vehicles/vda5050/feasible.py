"""What a robot's factsheet makes of an order: its shape, and whether it can be done at all.

Owns the judgement by factsheet (version 2.1, section 7; version 3, 7.10) and profile. Pure. A no
is a text that names the factsheet's field; what a factsheet does not tell rules nothing out.

Optional fields of the protocol that a factsheet does not list are not supported by the document.
Here that holds where it lists any, with one exception: positions and their deviations are always
sent, since outdoors no order can be without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from vehicles.port import Capability
from vehicles.vda5050.factsheet import Factsheet, LoadSet
from vehicles.vda5050.models import Action, OrderBody
from vehicles.vda5050.orders import PreparedOrder
from vehicles.vda5050.profile import FILLED, Profile
from vehicles.vda5050.release import body_of
from vehicles.vda5050.shape import supported

LEAST_WINDOW = 2
"""A message holds at least the decision point and one node behind it."""

ALIASES = {"order.edges.maximumSpeed": "order.edges.maxSpeed"}


def fitted(
    order: PreparedOrder, sheet: Factsheet | None, measure: Callable[[OrderBody], int]
) -> PreparedOrder:
    """The order with as many nodes a message as the robot's limits allow.

    `measure`: bytes of a message. An order that fits as a whole is not split.
    """
    if sheet is None:
        return order
    nodes = len(order.body.nodes)
    limits = [sheet.limit("order.nodes"), sheet.limit("state.nodeStates")]
    limits += [n + 1 for n in (sheet.limit("order.edges"), sheet.limit("state.edgeStates")) if n]
    window = min([n for n in limits if n] + [nodes])
    longest = sheet.length("msgLen")
    while longest and window > LEAST_WINDOW and _longest(order, window, measure) > longest:
        window = max(LEAST_WINDOW, window * 3 // 4)
    return order if window >= nodes else replace(order, window=max(LEAST_WINDOW, window))


def _longest(order: PreparedOrder, window: int, measure: Callable[[OrderBody], int]) -> int:
    whole = replace(order, window=window)
    step = 2 * max(1, window - 1)
    last = order.last_sequence_id
    return max(measure(body_of(whole, 0, at, last)) for at in range(0, max(1, last), step))


def order_faults(
    order: PreparedOrder,
    sheet: Factsheet,
    profile: Profile,
    capability: Capability | None = None,
    measure: Callable[[OrderBody], int] | None = None,
) -> tuple[str, ...]:
    """Why a robot of this factsheet cannot do this order, by field; empty where it can."""
    faults = [
        *_array_faults(order, sheet, measure),
        *_string_faults(order, sheet),
        *_optional_faults(order, sheet, profile),
        *_action_faults(order, sheet),
        *load_faults(sheet, profile, capability, picks=bool(order.actions)),
    ]
    return tuple(dict.fromkeys(faults))


def _array_faults(
    order: PreparedOrder, sheet: Factsheet, measure: Callable[[OrderBody], int] | None
) -> Iterable[str]:
    window = order.window or len(order.body.nodes)
    where = "protocolLimits.maxArrayLens"
    for name, most in (("order.nodes", window), ("order.edges", window - 1)):
        limit = sheet.limit(name)
        if limit and most > limit:
            yield f"{where} {name} is {limit}: an update needs {most}"
    for node in order.body.nodes:
        limit = sheet.limit("node.actions")
        if limit and len(node.actions) > limit:
            yield f"{where} node.actions is {limit}: {node.node_id} has {len(node.actions)}"
    limit = sheet.limit("actions.actionsParameters")
    for action in _actions(order):
        if limit and len(action.action_parameters) > limit:
            sent = len(action.action_parameters)
            yield f"{where} actions.actionsParameters is {limit}: {action.action_type} has {sent}"
    longest = sheet.length("msgLen")
    if longest and measure is not None:
        length = _longest(order, window, measure)
        if length > longest:
            yield f"protocolLimits.maxStringLens msgLen is {longest}: an update has {length} bytes"


def _string_faults(order: PreparedOrder, sheet: Factsheet) -> Iterable[str]:
    where = "protocolLimits.maxStringLens"
    body = order.body
    actions = tuple(_actions(order))
    ids = [
        body.order_id,
        *(n.node_id for n in body.nodes),
        *(e.edge_id for e in body.edges),
        *(a.action_id for a in actions),
    ]
    longest = max(ids, key=len)
    limit = sheet.length("idLen")
    if limit and len(longest) > limit:
        yield f"{where} idLen is {limit}: {longest!r} has {len(longest)}"
    if sheet.length("idNumericalOnly") and not all(i.isdigit() for i in ids):
        yield f"{where} idNumericalOnly is true: {body.order_id!r} and others have letters"
    limit = sheet.length("loadIdLen")
    for parcel in sorted({a.parcel_id for a in order.actions}):
        if limit and len(parcel) > limit:
            yield f"{where} loadIdLen is {limit}: {parcel!r} has {len(parcel)}"
    limit = sheet.length("enumLen")
    for action in actions:
        if limit and len(action.action_type) > limit:
            yield f"{where} enumLen is {limit}: {action.action_type!r} is longer"


def _optional_faults(order: PreparedOrder, sheet: Factsheet, profile: Profile) -> Iterable[str]:
    where = "protocolFeatures.optionalParameters"
    for name in sheet.required:
        plain = ALIASES.get(name, name)
        ours = plain in FILLED or plain.endswith(("actionParameters", "actionDescription"))
        if name.startswith("order.") and not ours:
            yield f"{where} {name} is REQUIRED: it is not known here"
    body = sheet.physical_parameters
    told = supported("order.edges.maxSpeed", sheet, profile)
    for edge_id, limit in order.limits:
        if body is not None and body.speed_min is not None and body.speed_min > limit:
            yield (
                f"physicalParameters.speedMin is {body.speed_min:g} m/s: street {edge_id} allows "
                f"{limit:g}"
            )
        fastest = None if body is None else body.speed_max
        if not told and (fastest is None or fastest > limit):
            speed = "not told" if fastest is None else f"{fastest:g}"
            yield (
                f"{where} does not list order.edges.maxSpeed: street {edge_id} allows {limit:g} "
                f"m/s and physicalParameters.speedMax is {speed}"
            )


def _action_faults(order: PreparedOrder, sheet: Factsheet) -> Iterable[str]:
    if not sheet.tells_actions:
        return
    where = "protocolFeatures.agvActions"
    for action in _actions(order):
        known = sheet.action(action.action_type)
        if known is None:
            yield f"{where} has no {action.action_type!r} at a node"
            continue
        if known.blocking_types and action.blocking_type not in known.blocking_types:
            kinds = ", ".join(known.blocking_types)
            yield (
                f"{where} {action.action_type} blockingTypes are {kinds}: the profile says "
                f"{action.blocking_type}"
            )
        sent = {p.key for p in action.action_parameters}
        listed = {p.key for p in known.action_parameters}
        for parameter in known.action_parameters:
            if parameter.is_optional is False and parameter.key not in sent:
                yield (
                    f"{where} {action.action_type} needs the parameter {parameter.key!r}: give "
                    "it in the robot's profile"
                )
        for key in sorted(order.pin_keys & sent - listed):
            yield f"{where} {action.action_type} has no {key!r}: the robot cannot check a PIN"


def load_faults(
    sheet: Factsheet, profile: Profile, capability: Capability | None, *, picks: bool = True
) -> tuple[str, ...]:
    """Where the robot's enrolment promises loads that its factsheet rules out.

    Dispatch loads up to what is enrolled, so that this holds for every load that may come.
    """
    if not picks:
        return ()
    faults: list[str] = []
    kind, loads = sheet.type_specification, sheet.load_specification
    if capability is not None and kind is not None and kind.max_load_mass is not None:
        mass = kind.max_load_mass
        if capability.max_payload_kg > mass:
            faults.append(
                f"typeSpecification.maxLoadMass is {mass:g} kg: it is enrolled with "
                f"max_payload_kg {capability.max_payload_kg:g}"
            )
    if loads is None or not loads.load_sets:
        return tuple(faults)
    sets = [s for s in loads.load_sets if s.load_type in {"", profile.load_type}]
    if not sets:
        known = ", ".join(sorted({s.load_type for s in loads.load_sets}))
        faults.append(
            f"loadSpecification.loadSets has {known}: the profile's load_type is "
            f"{profile.load_type}"
        )
    elif capability is not None and not any(_holds(s, capability) for s in sets):
        size = " x ".join(f"{side:g}" for side in capability.max_parcel_size_m)
        faults.append(
            f"loadSpecification.loadSets {profile.load_type}: no loadDimensions hold a parcel of "
            f"max_parcel_size_m {size}"
        )
    return tuple(faults)


def _holds(load: LoadSet, capability: Capability) -> bool:
    room = load.load_dimensions
    if room is None:
        return True
    parcel = sorted(capability.max_parcel_size_m)
    if room.height is not None:
        sides = sorted((room.length, room.width, room.height))
        return all(p <= s + 1e-9 for p, s in zip(parcel, sides, strict=True))
    base = sorted((room.length, room.width))
    return parcel[0] <= base[0] + 1e-9 and parcel[1] <= base[1] + 1e-9


def _actions(order: PreparedOrder) -> Iterable[Action]:
    for node in order.body.nodes:
        yield from node.actions
