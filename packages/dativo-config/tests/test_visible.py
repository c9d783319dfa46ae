"""What a terminal is shown of text that came from data."""

from dativo_config.visible import visible
from hypothesis import given
from hypothesis import strategies as st


def test_control_characters_are_written_out():
    assert visible("a\x1b[31m\r\x9b\n\tb") == "a\\x1b[31m\\x0d\\x9b\n\tb"


@given(st.text())
def test_what_is_shown_can_be_printed_line_by_line(text: str):
    assert not {character for character in visible(text) if ord(character) < 32 or 127 <= ord(character) < 160} - {
        "\n",
        "\t",
    }
