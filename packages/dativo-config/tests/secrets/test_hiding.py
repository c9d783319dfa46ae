"""Other tenants' variables leave the environment before a source is imported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dativo_config.secrets import hide_other_tenants, open_secrets
from dativo_config.tenancy import Tenant
from hypothesis import given
from hypothesis import strategies as st

part = st.from_regex(r"[a-z0-9]{1,3}", fullmatch=True)
tenant_ids = st.lists(part, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from(["_", "-"]).map(lambda joint: joint.join(parts))
)
secret_names = st.lists(part.map(str.upper), min_size=1, max_size=3).map("_".join)
forms = st.sampled_from(["", "__json", "__env", "__text", "__raw"])


def tenant(name: str) -> Tenant:
    return Tenant(name, Path("state"), Path("secrets"))


def test_only_the_tenants_own_and_global_variables_stay() -> None:
    environment = {
        "PATH": "/bin",
        "DATIVO_SECRET__A__KEY": "own",
        "DATIVO_SECRET__A__KEY__json": "own",
        "DATIVO_SECRET__GLOBAL__KEY": "shared",
        "DATIVO_SECRET__ALL__KEY": "shared",
        "DATIVO_SECRET__A_B__KEY": "other",
        "DATIVO_SECRET__AB__KEY": "other",
        "DATIVO_SECRET__A__B__KEY": "tenant a, or a__b: nobody can tell",
        "DATIVO_SECRET__": "nobody's",
        "DATIVO_SECRET__B": "nobody's",
        "dativo_secret__b__key": "other",
    }
    hide_other_tenants(environment, tenant("a"))
    assert set(environment) == {
        "PATH",
        "DATIVO_SECRET__A__KEY",
        "DATIVO_SECRET__A__KEY__json",
        "DATIVO_SECRET__GLOBAL__KEY",
        "DATIVO_SECRET__ALL__KEY",
    }


def test_vendors_keys_leave_where_they_would_be_shared_by_several_tenants_and_a_machine_s_role_stays() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "x", "PGPASSWORD": "x"}
    rest = {"AWS_REGION": "eu-west-1", "AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_PROFILE": "loads", "PGHOST": "db"}
    one, several = {**keys, **rest}, {**keys, **rest}
    hide_other_tenants(one, tenant("acme"))
    hide_other_tenants(several, replace(tenant("acme"), alone=False))
    assert (one, several) == ({**keys, **rest}, rest)


def test_an_id_with_a_hyphen_is_written_with_an_underscore() -> None:
    environment = {"DATIVO_SECRET__ACME_EU__KEY": "own", "DATIVO_SECRET__ACME__KEY": "other"}
    hide_other_tenants(environment, tenant("acme-eu"))
    assert environment == {"DATIVO_SECRET__ACME_EU__KEY": "own"}


@given(st.lists(st.tuples(tenant_ids, secret_names, forms), max_size=8), tenant_ids)
def test_no_tenant_ever_sees_what_was_written_for_another(written: list[tuple[str, str, str]], reader: str) -> None:
    own = tenant(reader).environment_form
    environment = {
        f"DATIVO_SECRET__{tenant(owner).environment_form}__{name}{form}": f"of {tenant(owner).environment_form}"
        for owner, name, form in written
    }
    secrets = open_secrets(tenant(reader), manager="env", environment=environment)
    assert all(secrets.get(name).get_secret_value() == f"of {own}" for name in secrets.names())
    hide_other_tenants(environment, tenant(reader))
    assert all(value == f"of {own}" for value in environment.values())
