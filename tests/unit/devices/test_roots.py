"""A device keeps what it learned of roots in its folder, or does not believe it yet."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from devices.roots import load_trust, take_up_roots
from protocol.encoding import b64
from protocol.record import Session
from tests.unit.protocol.test_roots import link, new_root
from tests.vectors.material import NOW_MS, der, root

READY = {
    "roots": {"in_force": [b64(der(root())), b64(der(new_root()))], "links": [b64(der(link()))]}
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "root.pem").write_bytes(root().public_bytes(Encoding.PEM))
    return tmp_path


def proven_under(anchor: Any) -> Session:
    return cast(Session, SimpleNamespace(peer=SimpleNamespace(root=anchor)))


def test_both_are_there_at_the_next_start(folder: Path) -> None:
    trust = load_trust(folder)
    assert take_up_roots(folder, trust, proven_under(root()), READY, NOW_MS)
    assert trust.roots == load_trust(folder).roots == (root(), new_root())
    assert not take_up_roots(folder, trust, proven_under(new_root()), READY, NOW_MS)
    retired = {"roots": {"in_force": READY["roots"]["in_force"][1:], "links": []}}
    assert take_up_roots(folder, trust, proven_under(new_root()), retired, NOW_MS)
    assert trust.roots == load_trust(folder).roots == (new_root(),)


@pytest.mark.parametrize("ready", [{}, {"roots": 7}, {"roots": {"in_force": []}}])
def test_what_is_no_news_changes_nothing(folder: Path, ready: dict[str, Any]) -> None:
    trust = load_trust(folder)
    assert not take_up_roots(folder, trust, proven_under(root()), ready, NOW_MS)
    assert trust.roots == (root(),)


def test_what_cannot_be_kept_is_not_trusted(folder: Path) -> None:
    trust = load_trust(folder)
    (folder / "root.pem.new").mkdir()
    assert not take_up_roots(folder, trust, proven_under(root()), READY, NOW_MS)
    assert trust.roots == load_trust(folder).roots == (root(),)
