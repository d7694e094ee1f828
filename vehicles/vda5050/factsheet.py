"""What a robot says of itself: topic factsheet, of versions 2 and 3.

Owns the shapes and look-ups. Must not judge a mission by them: that is `feasible`. Robots send
factsheets with gaps, so that every part may be missing; what is missing rules nothing out.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vehicles.vda5050.models import Count, Figure, Header, Id, Metres, Text, Wire

Support = Literal["SUPPORTED", "REQUIRED"]


class FactsheetParameter(Wire, frozen=True, kw_only=True):
    """A parameter that an action takes."""

    key: Id
    value_data_type: Id
    is_optional: bool | None = None


class FactsheetAction(Wire, frozen=True, kw_only=True):
    """An action that the robot can do. `pause_allowed` and `cancel_allowed` are version 3."""

    action_type: Id
    action_scopes: Annotated[tuple[Id, ...], Meta(max_length=16)]
    action_parameters: Annotated[tuple[FactsheetParameter, ...], Meta(max_length=64)] = ()
    blocking_types: Annotated[tuple[Id, ...], Meta(max_length=16)] = ()
    pause_allowed: bool | None = None
    cancel_allowed: bool | None = None


class OptionalParameter(Wire, frozen=True, kw_only=True):
    """An optional field of the protocol that the robot understands or needs."""

    parameter: Id
    support: Support


class ProtocolFeatures(Wire, frozen=True, kw_only=True):
    """Section 7.4 of the document of version 2, 7.10 of version 3."""

    optional_parameters: Annotated[tuple[OptionalParameter, ...], Meta(max_length=256)] = ()
    agv_actions: Annotated[tuple[FactsheetAction, ...], Meta(max_length=256)] = ()


class ProtocolLimits(Wire, frozen=True, kw_only=True):
    """Lengths by name, such as `order.nodes` or `msgLen`; 0 or absent: no limit."""

    max_string_lens: Annotated[dict[Id, Count | bool], Meta(max_length=64)] = msgspec.field(
        default_factory=dict
    )
    max_array_lens: Annotated[dict[Id, Count], Meta(max_length=64)] = msgspec.field(
        default_factory=dict
    )
    timing: Annotated[dict[Id, Figure], Meta(max_length=64)] = msgspec.field(default_factory=dict)


class TypeSpecification(Wire, frozen=True, kw_only=True):
    """What kind of robot it is; `supported_zones` is version 3."""

    series_name: Text = ""
    max_load_mass: Figure | None = None
    supported_zones: Annotated[tuple[Id, ...], Meta(max_length=64)] = ()


class PhysicalParameters(Wire, frozen=True, kw_only=True):
    """Metres and metres a second."""

    speed_min: Figure | None = None
    speed_max: Figure | None = None
    height_max: Figure | None = None
    width: Figure | None = None
    length: Figure | None = None


class LoadDimensions(Wire, frozen=True, kw_only=True):
    """Metres; without height the height is free."""

    length: Metres
    width: Metres
    height: Metres | None = None


class LoadSet(Wire, frozen=True, kw_only=True):
    """One kind of load that the robot can carry, kilograms and metres."""

    set_name: Id = ""
    load_type: Id = ""
    load_positions: Annotated[tuple[Id, ...], Meta(max_length=256)] = ()
    load_dimensions: LoadDimensions | None = None
    max_weight: Figure | None = None


class LoadSpecification(Wire, frozen=True, kw_only=True):
    """What may be aboard, and where."""

    load_positions: Annotated[tuple[Id, ...], Meta(max_length=256)] | None = None
    load_sets: Annotated[tuple[LoadSet, ...], Meta(max_length=256)] | None = None


class Factsheet(Header, frozen=True, kw_only=True):
    """Topic factsheet. Only what is used; header id and time are optional in version 2.1."""

    header_id: Count = 0
    timestamp: Id = ""
    type_specification: TypeSpecification | None = None
    physical_parameters: PhysicalParameters | None = None
    protocol_limits: ProtocolLimits | None = None
    protocol_features: ProtocolFeatures | None = None
    load_specification: LoadSpecification | None = None

    def action(self, action_type: str, scope: str = "NODE") -> FactsheetAction | None:
        """What the robot says of an action in one scope, None where it says nothing."""
        features = self.protocol_features
        for action in features.agv_actions if features else ():
            if action.action_type == action_type and scope in action.action_scopes:
                return action
        return None

    @property
    def tells_actions(self) -> bool:
        """Whether it names any action for a node: then what it does not name it cannot do."""
        features = self.protocol_features
        return any("NODE" in a.action_scopes for a in (features.agv_actions if features else ()))

    def support(self, parameter: str) -> Support | None:
        """What it says of an optional field such as `order.edges.trajectory`; None: nothing."""
        features = self.protocol_features
        for entry in features.optional_parameters if features else ():
            if entry.parameter == parameter:
                return entry.support
        return None

    @property
    def required(self) -> tuple[str, ...]:
        """Optional fields of the protocol that this robot does not do without."""
        features = self.protocol_features
        return tuple(
            p.parameter
            for p in (features.optional_parameters if features else ())
            if p.support == "REQUIRED"
        )

    def understands(self, parameter: str) -> bool:
        """Whether an optional field such as `order.edges.trajectory` may be sent."""
        return self.support(parameter) is not None

    def limit(self, array: str) -> int:
        """Longest array of that name, 0 for no limit."""
        return self.protocol_limits.max_array_lens.get(array, 0) if self.protocol_limits else 0

    def length(self, text: str) -> int:
        """Longest string of that name, in the names of version 2 such as `idLen`; 0: no limit."""
        lens = self.protocol_limits.max_string_lens if self.protocol_limits else {}
        return int(lens.get(text, 0))


def decoder() -> msgspec.json.Decoder[Factsheet]:
    """Of version 2's factsheet."""
    return msgspec.json.Decoder(Factsheet)
