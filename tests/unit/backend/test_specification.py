"""docs/TR-BEFS.md: its tables of services, commands, keys, profiles and limits are the code's."""

import importlib
import inspect
from typing import Any

import pytest
from pkcs11 import MechanismFlag

from adapters import hsm_choice
from adapters.backend.operator_commands import VERBS
from adapters.backend.operators import READS
from adapters.backend.rotating import NEEDS_TWO
from adapters.hsm import certificate_profiles as profiles
from adapters.hsm.inventory import KINDS
from adapters.hsm.provision import KEYS, KeySpec
from protocol.certificates import ROLES_OF_TLS_CLASS
from protocol.messages import REQUESTS
from tests.specification import section, tables

USES = (
    *(MechanismFlag.ENCRYPT, MechanismFlag.DECRYPT, MechanismFlag.WRAP, MechanismFlag.DERIVE),
    *(MechanismFlag.SIGN, MechanismFlag.VERIFY),
)
PROFILES = {
    "root": profiles.ROOT,
    "issuing": profiles.ISSUING,
    "leaf (individual)": profiles.LEAF,
    "PIN key": profiles.PIN_KEY,
    "TLS authority": profiles.TLS_AUTHORITY,
    "TLS class": profiles.TLS_CLASS,
}
LIMITS = tables(section("TR-BEFS", "13"))[0]
UNITS = {"US": 1_000_000, "MS": 1_000}


def test_roles_by_tls_class() -> None:
    (rows,) = tables(section("TR-BEFS", "3"))
    told = {row[0]: {role.strip(" `") for role in row[1].split(",")} for row in rows}
    assert told == ROLES_OF_TLS_CLASS


def test_who_may_give_which_command() -> None:
    rows = tables(section("TR-BEFS", "8"))[0]
    told = {row[0]: set(row[1].split(", ")) for row in rows}
    assert told.keys() == VERBS.keys() | READS.keys()
    for verb, roles in told.items():
        kind = "C" if verb in VERBS else "D"
        assert roles == {
            role
            for role, requests in REQUESTS.items()
            if f"{kind} {verb}" in requests and role in ("operator", "auditor")
        }


def test_the_keys_of_the_token() -> None:
    rows, providers, rotated = tables(section("TR-BEFS", "9"))
    assert [row[0].split("`")[0] for row in providers] == list(hsm_choice.PROVIDERS)

    def row_of(spec: KeySpec) -> list[str]:
        uses = ", ".join(str(use.name).lower() for use in USES if use in spec.use)
        return [spec.label, KINDS[spec.type], uses]

    assert sorted(row[:3] for row in rows) == sorted(map(row_of, KEYS))
    told = " ".join(row[0].replace(",", "") for row in rotated)
    assert {spec.name for spec in KEYS} <= set(told.split())
    by_two = {row[0].split()[0] for row in rotated if "two operators" in row[0]}
    assert by_two == NEEDS_TWO


def test_the_profiles_of_certificates() -> None:
    rows = tables(section("TR-BEFS", "11"))[0]
    assert [row[0] for row in rows] == list(PROFILES)
    for name, _, days, path_length, usages in rows:
        profile = PROFILES[name]
        assert int(days.split()[0].replace(",", "")) == profile.days
        assert path_length == ("" if profile.path_length is None else str(profile.path_length))
        assert len([word for word in usages.split(", ") if word]) == len(profile.usages)


@pytest.mark.parametrize(("value", "place"), [row[1:3] for row in LIMITS])
def test_a_limit_is_the_one_in_the_code(value: str, place: str) -> None:
    number, _, unit = value.partition(" ")
    told = float(number.replace(",", ""))
    if unit == "s":
        told *= UNITS.get(place.rpartition("_")[2], 1)
    assert told == _found(place)


def _found(place: str) -> Any:
    """`module:CONSTANT`, or `module:Class.parameter` for the default of a constructor."""
    module, _, name = place.partition(":")
    owner, _, parameter = name.partition(".")
    found = getattr(importlib.import_module(module), owner)
    return inspect.signature(found).parameters[parameter].default if parameter else found
