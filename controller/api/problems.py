"""Errors as application/problem+json (RFC 9457), each with the field and what to do next.

    ApiError      a request that cannot be served: status, code, detail, next step, fields

Owns how errors look on the wire. Must not decide what is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from controller.api.models import MANY, ONE
from controller.delivery.views import (
    DuplicateParcelError,
    IdempotencyConflictError,
    UnknownAlarmError,
    UnknownParcelError,
    UnknownSiteError,
    UnknownVehicleError,
)

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """The body of every error."""

    type: str
    title: str
    status: int
    detail: str
    next: str
    """What the caller can do about it."""
    errors: list[dict[str, str]]
    """One entry a field: field (or feature) and reason."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field and what is wrong with it."""

    field: str
    reason: str
    feature: str = ""

    def as_json(self) -> dict[str, str]:
        """The entry in the problem's `errors`."""
        body = {"field": self.field, "reason": self.reason}
        return {"feature": self.feature, **body} if self.feature else body


class ApiError(Exception):
    """A request that cannot be served."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        next_step: str,
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.next_step = next_step
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


TITLES = {
    400: "The request cannot be read",
    403: "The request is not allowed from here",
    404: "There is no such thing",
    405: "This address does not answer that method",
    409: "The request contradicts what is stored",
    413: "The body is too large",
    415: "The body is not JSON",
    421: "The request was meant for another host",
    422: "The request has fields that cannot be",
    503: "Not available at the moment",
}


def problem(error: ApiError) -> JSONResponse:
    """An error as a response."""
    body = Problem(
        type=f"urn:waypost:{error.code}",
        title=TITLES.get(error.status, "The request failed"),
        status=error.status,
        detail=error.detail,
        next=error.next_step,
        errors=[e.as_json() for e in error.errors],
    )
    return JSONResponse(
        body.model_dump(), error.status, media_type=MEDIA_TYPE, headers=error.headers
    )


def not_found(what: str, ident: str, where: str) -> ApiError:
    """A 404 that says where the known ones are listed."""
    return ApiError(404, "not-found", f"no {what} {ident!r}", next_step=f"{where} lists them")


def _field_name(location: tuple[object, ...]) -> str:
    parts = [p for p in location[1:] if p not in {ONE, MANY}]
    name = ""
    for part in parts:
        name += f"[{part}]" if isinstance(part, int) else (f".{part}" if name else f"{part}")
    return name or "body"


def validation(errors: Iterable[Mapping[str, object]]) -> ApiError:
    """Pydantic's errors, with each field named as the caller wrote it."""
    fields = []
    for error in errors:
        location = error.get("loc", ())
        name = _field_name(location if isinstance(location, tuple) else ())
        reason = str(error.get("msg", "invalid")).removeprefix("Value error, ")
        fields.append(FieldError(name, reason[:1].lower() + reason[1:]))
    detail = "; ".join(f"{f.field}: {f.reason}" for f in fields[:5])
    return ApiError(
        422,
        "validation",
        detail,
        next_step="correct the fields named in errors and send again; nothing was stored",
        errors=fields,
    )


def duplicate(error: DuplicateParcelError, field: str) -> ApiError:
    """A parcel's id that is taken, with the field that holds it."""
    return ApiError(
        409,
        "duplicate-parcel",
        str(error),
        next_step="choose another id, or leave id out to be given one; nothing was stored",
        errors=[FieldError(field, f"{error.parcel_id!r} is taken")],
    )


def from_domain(error: Exception) -> ApiError | None:
    """What the desk refuses, told to the caller; None where it is not a refusal."""
    match error:
        case IdempotencyConflictError():
            return ApiError(
                409,
                "idempotency-conflict",
                str(error),
                next_step="use a fresh Idempotency-Key for a different body",
                errors=[FieldError("Idempotency-Key", "was used with another body")],
            )
        case DuplicateParcelError():
            return duplicate(error, "id")
        case UnknownSiteError():
            return ApiError(
                422,
                "unknown-site",
                str(error),
                next_step="GET /v1/sites lists the sites; nothing was stored",
                errors=[FieldError("origin", str(error))],
            )
        case UnknownVehicleError() | UnknownParcelError() | UnknownAlarmError():
            return ApiError(
                404, "not-found", str(error), next_step="list what there is, and ask again"
            )
    return None


def install(app: FastAPI) -> None:
    """Let every error of the app leave as a problem."""

    async def on_api_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)  # noqa: S101 - registered for this type alone
        return problem(error)

    async def on_refusal(_: Request, error: Exception) -> Response:
        told = from_domain(error)
        if told is None:
            raise error
        return problem(told)

    async def on_validation(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return problem(validation(error.errors()))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        told = ApiError(
            error.status_code,
            "http",
            f"{request.method} {request.url.path}: {error.detail}",
            next_step="/docs lists what this server answers",
            headers=error.headers,
        )
        return problem(told)

    app.add_exception_handler(ApiError, on_api_error)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    for refusal in (
        IdempotencyConflictError,
        DuplicateParcelError,
        UnknownSiteError,
        UnknownVehicleError,
        UnknownParcelError,
        UnknownAlarmError,
    ):
        app.add_exception_handler(refusal, on_refusal)
