"""Problems show source lines; what may be a secret in them is hidden, and the caret stays where it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from dativo_config.document import parse_document
from hypothesis import given
from hypothesis import strategies as st

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    "line",
    [
        f"credentials: {{api_key: {SECRET}, prot: 1}}",
        f"password: '{SECRET}'",
        f"pasword: {SECRET}",
        f"aws: {{secret_access_key: {SECRET}}}",
        f"uri: postgres://user:{SECRET}@host/db",
        f"path: https://host/file?X-Amz-Signature={SECRET}&x=1",
        f"dsn: ['{SECRET}']",
        f'token: "${{VAR:-{SECRET}}}"',
        f"headers: {{X-Auth: {SECRET}}}",
        f"password: '{SECRET}",  # from here on nobody can read the document
        f"credentials: {{api_key: {SECRET}, broken",
        f"  api_key: {SECRET}\n bad: indent",
        f"key: |\n  {SECRET}\n\tbad",
        f"'{SECRET}\n",
    ],
)
def test_a_shown_line_holds_no_secret(line: str):
    found, problems = parse_document(Path("f.yaml"), line)
    shown = [problem.source for problem in problems]
    if found is not None:
        shown += [found.source(number + 1) for number in range(len(found.lines))]

    assert SECRET not in "".join(shown)


def test_a_reference_to_a_secret_is_shown():
    found, _ = parse_document(Path("f.yaml"), 'credentials: {api_key: "${secret:shop_key}"}')

    assert found is not None
    assert "${secret:shop_key}" in found.source(1)


@given(st.text("abcdef", min_size=4), st.text("abcdef ", max_size=8))
def test_a_masked_line_keeps_its_length(secret: str, other: str):
    line = f"a: {{password: '{secret}', b: '{other}', token: {secret}}}"
    found, _ = parse_document(Path("f.yaml"), line)

    assert found is not None
    assert len(found.source(1)) == len(line)
    assert f"'{other}'" in found.source(1)
