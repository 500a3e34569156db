"""Settings are found, bounded, and refused with the nearest right name; secrets stay inside."""

import traceback
from pathlib import Path

import pytest

from moat.errors import InvalidRequest
from moat.settings import OUTSIDE_NAMES, Settings, known_names


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOAT_HOME", str(tmp_path))
    return tmp_path


def test_nothing_set_is_embedded_and_on_loopback(home: Path) -> None:
    settings = Settings.load()
    assert (settings.api.host, settings.default_model) == ("127.0.0.1", "extractive")
    assert settings.database_url == f"sqlite:///{home / 'catalog.db'}"
    assert settings.blobs_folder == home / "blobs"


def test_names_of_the_client_and_the_data_are_no_settings_though_a_section_is_called_so(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in OUTSIDE_NAMES:
        monkeypatch.setenv(name, "/somewhere")
    monkeypatch.setenv("MOAT_DATA__REACH", '["openai"]')
    assert Settings.load().data.reach == ("openai",)


def test_environment_goes_before_the_file_and_both_are_merged(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "moat.toml").write_text(
        '[api]\nport = 9000\nmax_body_bytes = 5000\n[models."fake/large"]\ninput_usd_per_million = "3"\n'
        '[providers.fake]\nbase_url = "http://models.example/v1"\n'
    )
    monkeypatch.setenv("MOAT_API__PORT", "9001")
    monkeypatch.setenv("MOAT_PROVIDERS__FAKE__API_KEY", "sk-1")
    settings = Settings.load()
    assert (settings.api.port, settings.api.max_body_bytes) == (9001, 5000)
    assert settings.default_model == "fake/large"
    assert settings.providers["fake"].base_url == "http://models.example/v1"
    assert settings.providers["fake"].api_key.get_secret_value() == "sk-1"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("MOAT_QDRNT__URL", "MOAT_QDRANT__URL"),
        ("MOAT_QDRANT__ULR", "MOAT_QDRANT__URL"),
        ("moat_api__prot", "MOAT_API__PORT"),
        ("MOAT_HOEM", "MOAT_HOME"),
        ("MOAT_SERVRE", "MOAT_SERVER"),
        ("MOAT_UPLOAD_MAX_FILE_BYTES", "MOAT_UPLOAD__MAX_FILE_BYTES"),
    ],
)
def test_unknown_name_is_refused_with_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Settings.load({wrong: "x"})
    assert wrong in refused.value.detail
    assert refused.value.hint == f"Did you mean {right}?"


def test_names_of_the_client_and_of_others_are_fine() -> None:
    Settings.load({"MOAT_SERVER": "x", "MOAT_KEY": "x", "MOAT_DATA": "x", "PATH": "x", "MOATED": "x"})


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("[api]\nprot = 1\n", "api.prot: there is no such setting; did you mean api.port?"),
        ("[apy]\nport = 1\n", "apy: there is no such setting; did you mean api?"),
        ("[api]\nport = 70000\n", "api.port: Input should be less than or equal to 65535"),
        ("[api]\nport = 'high'\n", "api.port: Input should be a valid integer"),
        ("log_level = 'LOUD'\n", "log_level: Input should be"),
        ("[worker]\nlease_s = 0\n", "worker.lease_s: Input should be greater than 0"),
        ("[providers.x]\napi_kye = 'sk-secret'\n", "providers.x.api_kye: there is no such setting"),
        ("[api\n", "moat.toml cannot be read"),
    ],
)
def test_wrong_file_is_refused_with_its_place(home: Path, toml: str, told: str) -> None:
    (home / "moat.toml").write_text(toml)
    with pytest.raises(InvalidRequest) as refused:
        Settings.load()
    assert told in refused.value.detail
    assert refused.value.hint


def test_file_that_is_no_text_is_refused(home: Path) -> None:
    (home / "moat.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidRequest, match=r"moat\.toml cannot be read"):
        Settings.load()


@pytest.mark.parametrize("name", ["MOAT_API__PORT", "MOAT_WORKER__LEASE_S", "MOAT_UPLOAD__MAX_FILES"])
def test_number_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "-1")
    with pytest.raises(InvalidRequest, match=name.removeprefix("MOAT_").replace("__", ".").lower()):
        Settings.load()


SECRET = "sk-very-secret-42"


def test_secrets_are_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOAT_QDRANT__API_KEY", SECRET)
    monkeypatch.setenv("MOAT_PROVIDERS__X__API_KEY", SECRET)
    monkeypatch.setenv("MOAT_DATABASE__URL", f"postgresql://moat:{SECRET}@db/moat")
    monkeypatch.setenv("MOAT_BROKER__URL", f"redis://:{SECRET}@broker/0")
    settings = Settings.load()
    assert SECRET in settings.database_url
    assert SECRET not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MOAT_PROVIDERS", f'{{"x": {{"api_key": "{SECRET}"'),
        ("MOAT_PROVIDERS", f'{{"x": "{SECRET}"}}'),
        ("MOAT_PROVIDERS__X", SECRET),
        ("MOAT_PROVIDERS__X__API_KYE", SECRET),
        ("MOAT_QDRANT__API_KEY__X", SECRET),
        ("MOAT_API__PORT", SECRET),
    ],
)
def test_secret_in_the_wrong_place_is_in_no_error(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidRequest) as refused:
        Settings.load()
    assert SECRET not in "".join(traceback.format_exception(refused.value))
    assert refused.value.hint


def test_every_setting_is_described() -> None:
    names = known_names()
    assert len(names) > 40
    assert [name for name, description in names.items() if not description] == []


def test_sources_are_stated_in_the_file_and_their_secrets_may_stand_in_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "moat.toml").write_text(
        '[readers]\nallow = ["some.wiki.Reader"]\n'
        '[sources.wiki]\nreader = "some.wiki.Reader"\naccess_from = "groups"\ngroups = { hr = ["hr"] }\n'
        'schedule = "every 6h"\nnetwork = ["wiki.example"]\n[sources.wiki.arguments]\nurl = "https://wiki.example"\n'
    )
    monkeypatch.setenv("MOAT_SOURCES__WIKI__ARGUMENTS__TOKEN", "t-1")
    wiki = Settings.load().sources["wiki"]
    assert (wiki.kind, wiki.every_s, wiki.states_access) == ("reader", 6 * 3600, True)
    assert wiki.arguments == {"url": "https://wiki.example", "token": "t-1"}
    assert "t-1" not in repr(wiki)


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ('[sources.Wiki]\nfolder = "/srv"\n', "pattern"),
        ("[sources.wiki]\n", "exactly one"),
        ('[sources.wiki]\nfolder = "/srv"\nsitemap = "https://a.example"\n', "exactly one"),
        ('[sources.wiki]\nfolder = "srv"\n', "whole path"),
        ('[sources.wiki]\nfolder = "/srv"\naccess_from = "groups"\n', "belong to a reader"),
        ('[sources.wiki]\nfolder = "/srv"\nschedule = "hourly"\n', "schedule"),
        ('[sources.wiki]\nfolder = "/srv"\nshcedule = "every 6h"\n', "no such setting"),
    ],
)
def test_a_source_that_is_not_stated_right_is_refused_at_start(home: Path, stated: str, said: str) -> None:
    (home / "moat.toml").write_text(stated)
    with pytest.raises(InvalidRequest) as refused:
        Settings.load()
    assert said in refused.value.detail


@pytest.mark.parametrize(
    "issuer",
    [
        "http://id.example",
        "ftp://id.example",
        "https://",
        "https://a:b@id.example",
        "https://id.example?x",
        "id.example",
    ],
)
def test_issuer_is_not_reached_where_others_could_hand_out_keys(issuer: str) -> None:
    with pytest.raises(InvalidRequest, match="https://HOST"):
        Settings.load(oidc={"issuer": issuer, "audience": ["moat"]})


def test_issuer_needs_an_audience_and_asymmetric_signatures() -> None:
    with pytest.raises(InvalidRequest, match="audience"):
        Settings.load(oidc={"issuer": "https://id.example"})
    for algorithms in (["HS256"], ["none"], []):
        with pytest.raises(InvalidRequest, match="algorithms"):
            Settings.load(oidc={"issuer": "https://id.example", "audience": ["moat"], "algorithms": algorithms})
