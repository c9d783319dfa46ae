"""The named string formats of ODCS as regular expressions (RE2 syntax, matched against the whole cell)."""

from __future__ import annotations

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_GROUP = r"[0-9A-Fa-f]{1,4}"
_IPV6 = "|".join(
    [
        rf"(?:{_GROUP}:){{7}}{_GROUP}",
        rf"(?:{_GROUP}:){{6}}{_IPV4}",
        *(rf"(?:{_GROUP}:){{1,{left}}}(?::{_GROUP}){{1,{7 - left}}}" for left in range(1, 7)),
        *(rf"(?:{_GROUP}:){{1,{left}}}(?::{_GROUP}){{0,{5 - left}}}:{_IPV4}" for left in range(1, 6)),
        rf":(?::{_GROUP}){{1,7}}",
        rf"::(?:{_GROUP}:){{0,5}}{_IPV4}",
        rf"(?:{_GROUP}:){{1,7}}:",
        "::",
    ]
)

STRING_FORMATS: dict[str, str] = {
    # HTML's own definition of a valid address, with at least one dot in the domain.
    "email": rf"^[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})+$",
    "uuid": r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$",
    "uri": r"^[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f<>\"{}|\\^`]+$",
    "hostname": rf"^{_LABEL}(?:\.{_LABEL})*\.?$",
    "ipv4": rf"^{_IPV4}$",
    "ipv6": rf"^(?:{_IPV6})$",
    "byte": r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
}
"""`password` and `binary` describe text without saying how it looks: nothing is checked for them."""

INTEGER_RANGES: dict[str, tuple[int, int]] = {
    f"{sign}{bits}": (0 if sign == "u" else -(2 ** (bits - 1)), 2 ** (bits if sign == "u" else bits - 1) - 1)
    for sign in "iu"
    for bits in (8, 16, 32, 64)
}
