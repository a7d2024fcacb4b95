"""Shares give the PIN back, all others give a reason."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.ceremony.shares import (
    MADE_PIN_LENGTH,
    ShareError,
    combine,
    fingerprint,
    make_pin,
    read,
    split,
)

PIN = "Xy7kQ2mN9pR4tV1"


@settings(max_examples=15, deadline=None)
@given(
    pin=st.text(min_size=1, max_size=31).filter(lambda text: len(text.encode()) <= 31),
    sizes=st.tuples(st.integers(2, 5), st.integers(0, 3)),
)
def test_any_shares_up_to_the_threshold_give_the_pin(pin: str, sizes: tuple[int, int]) -> None:
    threshold, more = sizes
    shares = split(pin, threshold, threshold + more)
    for chosen in combinations(shares, threshold):
        assert combine(chosen) == pin
    assert combine(shares) == pin


def test_a_made_pin_has_shares_of_twenty_words() -> None:
    pin = make_pin()
    assert len(pin) == MADE_PIN_LENGTH
    assert pin != make_pin()
    assert {len(words.split()) for words in split(pin, 2, 3)} == {20}
    assert {len(words.split()) for words in split("p" * 31, 2, 3)} == {33}


@pytest.mark.parametrize("pin", ["", "p" * 32, "€" * 11])
def test_a_pin_that_does_not_fit_is_refused(pin: str) -> None:
    with pytest.raises(ShareError, match="1 to 31 bytes"):
        split(pin, 2, 3)


def test_what_is_wrong_with_a_set_is_said() -> None:
    shares, others = split(PIN, 3, 5), split(PIN, 3, 5)
    for given_shares, why in (
        ([], "0 shares were given, and 2 are needed"),
        (shares[:2], "2 shares were given, and 3 are needed"),
        ([shares[0], shares[0], shares[1]], "given twice"),
        ([*shares[:2], others[2]], "different ceremonies"),
    ):
        with pytest.raises(ShareError, match=why):
            combine(given_shares)
    with pytest.raises(ShareError, match="of another ceremony"):
        combine(shares[:3], read(others[0]).identifier)


def test_a_share_whose_checksum_was_made_to_fit_does_not_fit_the_others() -> None:
    from shamir_mnemonic import Share

    shares = split(PIN, 2, 3)
    share = Share.from_mnemonic(shares[0])
    forged = Share(**{**vars(share), "value": bytes([share.value[0] ^ 1]) + share.value[1:]})
    with pytest.raises(ShareError, match="altered"):
        combine([forged.mnemonic(), shares[1]])


@pytest.mark.parametrize(
    "change",
    [
        lambda words: words[:-1],
        lambda words: [*words, "academic"],
        lambda words: ["academic" if words[5] != "academic" else "acid", *words[1:]],
        lambda words: [*words[:7], "notaword", *words[8:]],
        lambda words: [*words[:3], words[4], words[3], *words[5:]],
        lambda words: [],
        lambda words: words * 20,
        lambda words: ["\0" * 10],
    ],
)
def test_a_mistyped_share_is_noticed_and_not_repeated(change) -> None:  # type: ignore[no-untyped-def]
    words = split(PIN, 2, 3)[0].split()
    changed = change(words)
    if changed == words:
        pytest.skip("the words were equal by chance")
    with pytest.raises(ShareError) as caught:
        read(" ".join(changed))
    assert not set(str(caught.value).split()) & set(words)


def test_a_fingerprint_is_of_the_words_however_they_are_typed() -> None:
    words = split(PIN, 2, 3)[0]
    assert fingerprint(words) == fingerprint("  " + words.upper().replace(" ", "\t") + "\n")
    assert len(fingerprint(words)) == 16
