"""The campaign in small, and that it finds checks which are broken on purpose."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from tests.oracle import __main__ as program
from tests.oracle import plane
from tests.oracle.campaign import FAMILIES, Subject, draw_case, run_block, run_case, smaller
from tests.oracle.sabotage import SABOTAGES

SEED = 5
ENOUGH = 120
"""Cases of a family in which a broken check is to be found."""

HEAVY = {"many": 3, "fan": 4, "rechecked": 10, "crowd": 1}
EACH = 25

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_code_and_exact_arithmetic_agree(family: str) -> None:
    found = run_block(SEED, family, range(HEAVY.get(family, EACH)))
    assert not found.faults
    assert found.pairs >= sum(found.cases.values())
    assert found.forbidden, "no case of the family touches anything"


@pytest.mark.parametrize("name", SABOTAGES)
def test_a_broken_check_is_found(name: str) -> None:
    subject, families = SABOTAGES[name]
    for family in families:
        if any(run_block(SEED, family, [n], subject).faults for n in range(ENOUGH)):
            return
    pytest.fail(f"{name}: not found in {ENOUGH} cases of each of {', '.join(families)}")


def test_a_fault_is_made_small_and_stays_one() -> None:
    subject, (family, *_) = SABOTAGES["zones with holes void"]
    for number in range(ENOUGH):
        name = f"{SEED}:{family}:{number}"
        case = draw_case(name)
        faults = run_case(case, subject, name).faults
        if faults and len(case.path.legs) > 1:
            break
    kind = faults[0][1].kind
    least = smaller(case, kind, subject)
    assert len(least.path.legs) == 1
    assert any(fault.kind == kind for _, fault in run_case(least, subject).faults)
    assert not run_case(least, Subject()).faults
    assert json.loads(json.dumps(program.plain(least)))["family"] == family


def test_a_name_tells_a_case() -> None:
    assert draw_case("3:edge:8") == draw_case("3:edge:8")
    assert draw_case("3:edge:8") != draw_case("3:edge:9")


def test_spans_enclose_what_is_not_rational() -> None:
    square = [[(0, 0), (100, 0), (100, 100), (0, 100)]]
    a, b = (-100, 150), (300, 150)
    assert plane.touch_span(a, b, square, 49, outer=True) is None
    inner = plane.touch_span(a, b, square, 60, outer=False)
    outer = plane.touch_span(a, b, square, 60, outer=True)
    # within 60 of a corner 50 below: sqrt(60^2 - 50^2) = 33.17 before and behind the side
    assert Fraction(200 + 33, 400) >= inner[1] >= Fraction(200, 400)
    assert outer[1] >= Fraction(2331662, 4_000_000) > inner[1]
    assert outer[0] <= Fraction(66, 400) <= inner[0]


def test_border_of_a_union_leaves_out_the_seam() -> None:
    left = [[(0, 0), (4, 0), (4, 8), (0, 8)]]
    right = [[(4, 0), (8, 0), (8, 8), (4, 8)]]
    border = plane.union_border([left, right], Fraction(1, 1000))
    assert ((4, 0), (4, 8)) not in border
    assert ((4, 8), (4, 0)) not in border
    assert len(border) == 6
