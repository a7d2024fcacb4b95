"""Templates: nothing escapes escaping, nothing inline, nothing from elsewhere."""

import re
from pathlib import Path

import adapters.web

_HERE = Path(adapters.web.__file__).parent
_TEMPLATES = sorted((_HERE / "templates").glob("*.html"))


def test_nothing_switches_escaping_off() -> None:
    for path in _TEMPLATES:
        text = path.read_text()
        assert not re.search(r"\|\s*safe|autoescape|Markup", text), path.name


def test_nothing_is_inline_or_foreign() -> None:
    for path in _TEMPLATES:
        text = path.read_text()
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|https?:|//\w", text), path.name
    for path in (_HERE / "static").glob("*.css"):
        assert not re.search(r"@import|url\(|https?:", path.read_text()), path.name


def test_every_form_that_posts_has_a_token() -> None:
    for path in _TEMPLATES:
        for form in re.findall(r'<form[^>]*method="post".*?</form>', path.read_text(), re.DOTALL):
            assert 'name="{{ token_field }}" value="{{ form_token }}"' in form, path.name
