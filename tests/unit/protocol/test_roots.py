"""A root that follows another: which links count, and what a holder of the old root takes up."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from protocol.certificates import Trust
from protocol.encoding import b64
from protocol.errors import CertificateError
from protocol.roots import MOST, Told, read_told, taken_up
from tests.vectors.material import (
    NOW_MS,
    ROOT,
    authority,
    certificate,
    der,
    issuing,
    key,
    leaf,
    party,
    root,
    subject_id,
    usage,
)

NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
BEGUN = NOW - timedelta(days=1)


def new_root(name: str = "root 2", begin: datetime = BEGUN) -> x509.Certificate:
    return certificate(
        ROOT, key(name).public_key(), ROOT, name, authority(1), begin=begin, number=name
    )


def link(
    by: str = "root", to: str = "root 2", says: Any = None, subject: str = ROOT, **more: Any
) -> x509.Certificate:
    """New with old."""
    return certificate(
        subject, key(to).public_key(), ROOT, by, says or authority(1), number="link", **more
    )


def chain(*above: x509.Certificate, by: str = "root 2") -> list[bytes]:
    """A terminal's, under the new root."""
    below = certificate("issuing 2", key("issuing 2").public_key(), ROOT, by, authority(0))
    name, public = str(subject_id("pos")), key("pos").public_key()
    own = certificate(name, public, "issuing 2", "issuing 2", leaf("pos", "pos"))
    return [der(each) for each in (own, below, *above)]


def code(trust: Trust, shown: list[bytes], now_ms: int = NOW_MS) -> str:
    try:
        trust.verify(shown, now_ms)
    except CertificateError as error:
        return error.code
    return "good"


OLD = Trust(der(root()))
BOTH = Trust(der(root()), der(new_root()))


def test_who_has_only_the_old_root_believes_what_is_new_over_the_link() -> None:
    peer = OLD.verify(chain(link()), NOW_MS)
    assert peer.root == root()
    assert peer.authorities[1:] == (link().serial_number, root().serial_number)
    assert code(OLD, chain()) == "untrusted-certificate", "without it there is no path"
    assert code(OLD, party("pos").chain) == "good"


def test_who_has_both_needs_no_link_and_minds_none() -> None:
    for shown in (chain(), chain(link()), chain(link(by="stranger"))):
        assert BOTH.verify(shown, NOW_MS).root == new_root()
    assert BOTH.verify(party("pos").chain, NOW_MS).root == root()
    new_only = Trust(der(new_root()))
    assert code(new_only, chain(link())) == "good"
    assert code(new_only, party("pos").chain) == "untrusted-certificate"


SUB_CA = [(x509.BasicConstraints(ca=True, path_length=0), True), authority(1)[1]]
NO_CA = [(x509.BasicConstraints(ca=False, path_length=None), True), authority(1)[1]]
SIGNS_NOTHING = [authority(1)[0], (usage("digital_signature"), True)]
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")


@pytest.mark.parametrize(
    ("bad", "wanted"),
    [
        (link(by="stranger"), "untrusted-certificate"),
        (link(end=NOW - timedelta(hours=1)), "expired-certificate"),
        (link(begin=NOW + timedelta(hours=1)), "expired-certificate"),
        (link(says=SUB_CA), "untrusted-certificate"),
        (link(says=NO_CA), "untrusted-certificate"),
        (link(says=SIGNS_NOTHING), "untrusted-certificate"),
        (link(says=[*authority(1), (UNKNOWN, True)]), "untrusted-certificate"),
        (link(subject="Another root"), "untrusted-certificate"),
        (link(to="stranger"), "untrusted-certificate"),
        (new_root(), "untrusted-certificate"),
    ],
    ids=["stranger", "ended", "not yet", "length 0", "no CA", "signs nothing", "critical",
         "name", "other key", "the root itself"],
)  # fmt: skip
def test_a_bad_link_leads_nowhere(bad: x509.Certificate, wanted: str) -> None:
    assert code(OLD, chain(bad)) == wanted
    assert taken_up([root()], Told([root(), new_root()], [bad]), root(), NOW) == [root()]


def test_a_link_lets_no_authority_below_the_issuing_one() -> None:
    sub = certificate("sub", key("sub").public_key(), "issuing 2", "issuing 2", authority(None))
    public = key("pos").public_key()
    own = certificate(str(subject_id("pos")), public, "sub", "sub", leaf("pos", "pos"))
    for trust in (OLD, BOTH):
        assert code(trust, [der(own), der(sub), *chain()[1:]]) == "untrusted-certificate"
        assert code(trust, [der(own), der(sub), der(link())]) == "untrusted-certificate"
        four = [der(own), der(sub), chain()[1], der(link())]
        assert code(trust, four) == "untrusted-certificate"


def test_a_root_of_short_reach_vouches_for_nobody() -> None:
    short = certificate(ROOT, key("root").public_key(), ROOT, "root", SUB_CA)
    assert code(Trust(der(short)), chain(link())) == "untrusted-certificate"


def test_a_link_that_is_revoked_is_said_so() -> None:
    known = Trust(der(root()), revoked=lambda serial: serial == link().serial_number)
    assert code(known, chain(link())) == "revoked-certificate"


def test_what_is_under_a_retired_root_alone_has_a_code_of_its_own() -> None:
    retired = Trust(
        *(der(root()), der(new_root())), revoked=lambda each: each == root().serial_number
    )
    assert code(retired, party("pos").chain) == "retired-root"
    assert code(retired, chain(link())) == "good"
    assert code(retired, chain(by="stranger")) == "untrusted-certificate"
    third = chain(link(by="root", to="root 3"), by="root 3")
    assert code(retired, third) == "retired-root", "its word counts no more either"


def test_the_old_root_ends_and_the_new_one_does_not() -> None:
    ended = certificate(
        ROOT, key("root").public_key(), ROOT, "root", authority(1), end=NOW - timedelta(days=1)
    )
    both = Trust(der(ended), der(new_root()))
    assert code(both, chain()) == "good"
    assert code(both, [party("pos").chain[0], der(issuing())]) == "expired-certificate"
    assert code(both, chain(by="stranger")) == "untrusted-certificate"


def test_a_new_root_is_taken_up_and_the_old_one_stays() -> None:
    told = Told([root(), new_root()], [link()])
    assert taken_up([root()], told, root(), NOW) == [root(), new_root()]
    assert taken_up([root(), new_root()], told, new_root(), NOW) == [root(), new_root()]
    stranger = certificate(ROOT, key("s").public_key(), ROOT, "s", authority(1))
    assert taken_up([stranger], told, stranger, NOW) == [stranger]
    ended = new_root(begin=NOW + timedelta(hours=1))
    assert taken_up([root()], Told([ended], [link()]), root(), NOW) == [root()]
    unsigned = certificate(ROOT, key("root 2").public_key(), ROOT, "root", authority(1))
    assert taken_up([root()], Told([unsigned], [link()]), root(), NOW) == [root()], "a link again"


def test_a_root_is_dropped_only_on_the_word_of_a_younger_one() -> None:
    both, young = [root(), new_root()], Told([new_root()], [])
    assert taken_up(both, young, new_root(), NOW) == [new_root()]
    assert taken_up(both, young, root(), NOW) == both, "proved under the old one"
    assert taken_up(both, young, None, NOW) == both
    old = Told([root()], [])
    assert taken_up(both, old, root(), NOW) == both, "the old one takes nothing away"
    assert taken_up([root()], young, root(), NOW) == [root()], "nobody is left without a root"
    assert taken_up(both, Told([], []), new_root(), NOW) == both


def test_what_ready_tells_is_read_or_ignored() -> None:
    good = {"in_force": [b64(der(root()))], "links": [b64(der(link()))]}
    assert read_told(good) == Told([root()], [link()])
    given: tuple[Any, ...] = (
        None, [], {}, {"in_force": []}, {**good, "links": None}, {**good, "links": [7]},
        {**good, "links": ["x"]}, {**good, "in_force": [b64(b"x")]},
        {**good, "in_force": good["in_force"] * (MOST + 1)},
    )  # fmt: skip
    for bad in given:
        assert read_told(bad) is None
