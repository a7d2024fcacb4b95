"""What the demo says: expectations are counted, failures are told, card numbers are never shown."""

import io

import pytest
from rich.console import Console

from adapters.cli.demo.narration import Broken, Narrator, masked


def narrator() -> tuple[Narrator, io.StringIO]:
    printed = io.StringIO()
    return Narrator(Console(file=printed, highlight=False, soft_wrap=True)), printed


def test_a_step_shows_what_was_expected_and_what_was_seen() -> None:
    story, printed = narrator()
    with story.step("Ana swipes", expected="approved") as step:
        step.compare("approved")
    assert story.failed == []
    assert story.checked == 1
    shown = [line.split() for line in printed.getvalue().splitlines()]
    assert shown[0][:3] == ["✓", "Ana", "swipes"]
    assert shown[1:] == [["expected", "approved"], ["seen", "approved"]]


def test_an_expectation_that_is_not_met_is_remembered_and_the_story_goes_on() -> None:
    story, printed = narrator()
    with story.step("Ana swipes", expected="approved") as step:
        step.compare("refused 51")
    assert story.failed == ["Ana swipes"]
    assert "✗ Ana swipes" in printed.getvalue()
    assert "seen      refused 51" in printed.getvalue()


def test_a_step_that_cannot_be_carried_out_ends_the_story_with_its_reason() -> None:
    story, printed = narrator()
    with pytest.raises(Broken), story.step("Ana swipes", expected="approved"):
        raise OSError("no reader\nplug it in")
    assert story.failed == ["Ana swipes"]
    assert "no reader" in printed.getvalue()
    assert "plug it in" in printed.getvalue()


def test_an_expectation_that_nobody_looked_at_is_not_met() -> None:
    story, _ = narrator()
    with story.step("Ana swipes", expected="approved"):
        pass
    assert story.failed == ["Ana swipes"]


def test_output_that_is_not_for_a_terminal_has_no_control_characters() -> None:
    story, printed = narrator()
    story.section("1. [bold]Lunch[/bold]")
    with story.step("Ana swipes"):
        pass
    assert "\x1b" not in printed.getvalue()
    assert "[bold]Lunch[/bold]" in printed.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("card 9840001234567890", "card 984000******7890"),
        (";9840001234567890=2911727?", ";984000******7890=2911727?"),
        ("a 12-digit one 984000123456.", "a 12-digit one 984000**3456."),
        ("984000******7890", "984000******7890"),
        ("01a20af5-ca9b-84b1-a8d9-123456789012", "01a20af5-ca9b-84b1-a8d9-123456789012"),
        ("$1,234,567.89", "$1,234,567.89"),
    ],
)
def test_no_card_number_is_shown_whole(text: str, shown: str) -> None:
    assert masked(text) == shown
