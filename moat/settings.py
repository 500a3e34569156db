"""The sole reader of the environment: every setting, described, bounded, and refused when unknown."""

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from moat.answering_settings import AnsweringSettings
from moat.api_settings import ApiSettings, PositiveSeconds, RatesSettings
from moat.blobs import check_place
from moat.budget_settings import BudgetSettings
from moat.errors import InvalidRequest
from moat.identity_settings import OidcSettings
from moat.provider_settings import DataSettings, ModelSettings, ProviderSettings
from moat.retention_settings import AuditSettings, CacheSettings, ErasureSettings, RetentionSettings
from moat.secret_sources import Referring, reference_names, secrets_of
from moat.section import Section
from moat.source_settings import ReadersSettings, SourceSettings

PREFIX = "MOAT_"
# Names that belong to the client and to the evaluation data; they are declared so that a typo in one is caught too.
OUTSIDE_NAMES = {
    "MOAT_SERVER": "address of the API that the command line talks to",
    "MOAT_KEY": "key that the command line sends",
    "MOAT_DATA": "folder with the evaluation sets",
}

QueueName = Literal["upkeep", "ingest", "bulk", "reindex"]
SourceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class DatabaseSettings(Section):
    url: str = Field("", repr=False, description="SQLAlchemy URL of the catalog; empty means SQLite in the home.")
    pool_size: int = Field(10, ge=1, le=200, description="Connections kept per process on PostgreSQL.")


class BrokerSettings(Section):
    url: str = Field("", repr=False, description="Celery broker URL; empty means the Valkey that 'moat up' starts.")
    visibility_timeout_s: PositiveSeconds = Field(
        3600, description="When Redis hands an unacknowledged task out again."
    )
    window: int = Field(
        32, ge=2, le=10_000, description="Documents of one queue in the broker at once; the rest take turns by corpus."
    )


class QdrantSettings(Section):
    url: str = Field("", description="Address of Qdrant; empty means the embedded one that 'moat up' starts.")
    api_key: SecretStr = Field(SecretStr(""), description="Qdrant's API key.")
    grpc_port: int = Field(6334, ge=1, le=65_535, description="Qdrant's gRPC port.")
    prefer_grpc: bool = Field(True, description="Talk gRPC where the client can.")
    timeout_s: PositiveSeconds = Field(30, description="Longest wait for one call.")
    token_form: Literal["auto", "float16", "turbo8", "turbo4"] = Field(
        "auto",
        description="How new collections keep token vectors: 28, 14 or 7 kB a chunk; 'auto' is the smallest that the "
        "server knows.",
    )


class UploadSettings(Section):
    max_file_bytes: int = Field(200_000_000, ge=1, description="Largest file accepted.")
    max_files: int = Field(500, ge=1, le=10_000, description="Most files in one call.")
    bulk_from: int = Field(20, ge=1, description="Files in one call that wait behind smaller calls.")
    max_backlog: int = Field(50_000, ge=1, description="Waiting documents above which uploads are refused for a while.")
    max_members: int = Field(1_000, ge=1, le=20_000, description="Most files in one archive or mail.")
    max_member_depth: int = Field(2, ge=0, le=5, description="How deep archives and mails in each other are opened.")
    max_unpacked_bytes: int = Field(1_000_000_000, ge=1, description="Most bytes that one archive or mail unpacks to.")


class FetchSettings(Section):
    allow_hosts: tuple[str, ...] = Field(
        (), description="Hosts, or host:port, that may be fetched though they are not on the open internet."
    )
    max_bytes: int = Field(50_000_000, ge=1_000, description="Largest answer taken.")
    timeout_s: PositiveSeconds = Field(30, description="Longest that one fetch may take, redirects included.")
    max_redirects: int = Field(5, ge=0, le=20, description="Most redirects followed.")


class SandboxSettings(Section):
    memory_bytes: int = Field(2_000_000_000, ge=200_000_000, description="Address space of one parsing child.")
    cpu_s: int = Field(120, ge=1, description="CPU seconds one document may take.")
    wall_s: PositiveSeconds = Field(180, description="Seconds one document may take by the clock.")
    max_output_bytes: int = Field(100_000_000, ge=1_000, description="Most that a parser may hand back.")
    max_expansion: int = Field(200, ge=2, description="Most that an archive (docx, xlsx, ...) may grow when unpacked.")
    documents_per_child: int = Field(200, ge=1, description="Documents after which a warm child is replaced.")
    ocr_languages: str = Field(
        "eng", pattern=r"^[A-Za-z_]{3,20}(\+[A-Za-z_]{3,20})*$", description="Tesseract's languages, e.g. 'eng+deu'."
    )
    ocr_max_pages: int = Field(200, ge=0, description="Pages of one document that are read through OCR; 0: none.")
    ocr_max_pixels: int = Field(50_000_000, ge=100_000, description="Pixels of the largest picture that is read.")
    idle_s: PositiveSeconds = Field(20, description="Idle seconds after which a warm child is let go.")


class WorkerSettings(Section):
    concurrency: int = Field(2, ge=1, le=64, description="Documents in work at once in one worker.")
    name: str = Field(
        "", description="Node name; a restarted worker of the same name takes back its own claims at once."
    )
    lease_s: PositiveSeconds = Field(60, description="How long a claim holds without a sign of life.")
    queues: tuple[QueueName, ...] = Field(
        ("upkeep", "ingest", "bulk", "reindex"),
        min_length=1,
        description="Queues this worker serves; each needs a worker somewhere, upkeep above all.",
    )
    beat: bool = Field(True, description="Run the sweeper's clock in this worker; one in the installation is enough.")
    sweep_s: PositiveSeconds = Field(5, description="Seconds between two sweeps for lost work.")
    max_attempts: int = Field(10, ge=1, description="Claims of one document that may die before it is quarantined.")
    max_failures: int = Field(3, ge=1, description="Parser crashes of one document before it is quarantined.")
    retry_base_s: PositiveSeconds = Field(
        2, description="First wait before a transient error is tried again; it doubles."
    )


class EmbedderSettings(Section):
    default: str = Field(
        "all-MiniLM-L6-v2", description="Embedder of a new corpus: a package's model, a folder, or 'provider/model'."
    )
    engine: Literal["auto", "openvino", "torch"] = Field(
        "auto", description="What runs the model: OpenVINO where it can, else torch, which is slower."
    )
    converted: str = Field("~/.cache/moat/models", description="Folder of models converted for OpenVINO.")
    passes: int = Field(0, ge=0, le=256, description="Forward passes at once, each on one core; 0 means one a core.")


class ReindexSettings(Section):
    grace_s: float = Field(86_400, ge=0, description="How long the old generation stays for rollback.")


class WidgetSettings(Section):
    session_s: PositiveSeconds = Field(600, description="How long a widget's session lives.")
    signature_s: PositiveSeconds = Field(300, description="Longest that the signature of a page's server may live.")


class Settings(BaseSettings):
    """Everything that can be set, from MOAT_* and `moat.toml` in the home."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        nested_model_default_partial_update=True,
    )

    home: Path = Field(Path("~/.local/share/moat"), description="Folder of the embedded platform.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe line logged.")
    log_questions: bool = Field(False, description="Write questions and answers into the API's log.")
    blobs: Annotated[str, AfterValidator(check_place)] = Field(
        "", description="Originals and what is made of them: a folder (empty: the home's), or s3://BUCKET/PREFIX."
    )
    api: ApiSettings = ApiSettings()
    rates: RatesSettings = RatesSettings()
    database: DatabaseSettings = DatabaseSettings()
    broker: BrokerSettings = BrokerSettings()
    qdrant: QdrantSettings = QdrantSettings()
    upload: UploadSettings = UploadSettings()
    fetch: FetchSettings = FetchSettings()
    sandbox: SandboxSettings = SandboxSettings()
    worker: WorkerSettings = WorkerSettings()
    embedder: EmbedderSettings = EmbedderSettings()
    answering: AnsweringSettings = AnsweringSettings()
    reindex: ReindexSettings = ReindexSettings()
    widget: WidgetSettings = WidgetSettings()
    retention: RetentionSettings = RetentionSettings()
    cache: CacheSettings = CacheSettings()
    audit: AuditSettings = AuditSettings()
    budgets: BudgetSettings = BudgetSettings()
    erasure: ErasureSettings = ErasureSettings()
    oidc: OidcSettings = OidcSettings()
    providers: dict[str, ProviderSettings] = Field({}, description="Servers of models, by name.")
    data: DataSettings = DataSettings()
    models: dict[str, ModelSettings] = Field({}, description="Models that may be asked, by 'provider/model'.")
    readers: ReadersSettings = ReadersSettings()
    sources: dict[SourceName, SourceSettings] = Field({}, description="Sources that the worker follows, by name.")

    @model_validator(mode="after")
    def _judge_is_a_chat_model(self) -> Self:
        judge = self.answering.judge
        if judge and (judge not in self.models or self.models[judge].kind != "chat"):
            chat = [name for name, known in self.models.items() if known.kind == "chat"]
            listed = ", ".join(chat) or "none"
            raise ValueError(f"answering.judge names {judge!r}; chat models of [models] are: {listed}")
        return self

    @property
    def home_folder(self) -> Path:
        return self.home.expanduser().resolve()

    @property
    def database_url(self) -> str:
        return self.database.url or f"sqlite:///{self.home_folder / 'catalog.db'}"

    @property
    def blobs_folder(self) -> Path:
        return Path(self.blobs).expanduser() if self.blobs else self.home_folder / "blobs"

    def secrets(self) -> set[str]:
        """Give every secret in these settings, so that it can be kept out of logs."""
        return set(secrets_of(self))

    @property
    def default_model(self) -> str:
        chat = (name for name, known in self.models.items() if known.kind == "chat")
        return self.answering.model or next(chat, "extractive")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        given = init_settings().get("home") or os.environ.get("MOAT_HOME") or "~/.local/share/moat"
        home = Path(given).expanduser()
        if isinstance(env_settings, EnvSettingsSource):  # one of those names is also that of a section
            theirs = {name.lower() for name in OUTSIDE_NAMES}
            env_settings.env_vars = {n: v for n, v in env_settings.env_vars.items() if n.lower() not in theirs}
        from_file = TomlConfigSettingsSource(settings_cls, home / "moat.toml")
        return init_settings, Referring(env_settings, settings_cls), Referring(from_file, settings_cls)

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None, **overrides: Any) -> Self:
        """Read the settings, or raise `InvalidRequest` naming the wrong one and the nearest right one."""
        _refuse_unknown_names(os.environ if environment is None else environment)
        try:
            return cls(**overrides)
        except ValidationError as error:
            raise InvalidRequest(
                _explain(error), "Correct the setting; 'moat doctor --settings' lists them all."
            ) from error
        except SettingsError as error:
            raise InvalidRequest(f"Settings are not valid: {error}", "Write a section's value as JSON.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise InvalidRequest(f"moat.toml cannot be read: {error}", "Correct the line named above.") from error


def known_names() -> dict[str, str]:
    """List every environment name with its description; a map's entries are written with NAME."""
    return dict(_names(Settings, PREFIX)) | OUTSIDE_NAMES


def _names(model: type[BaseModel], prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, info in model.model_fields.items():
        path = prefix + name.upper()
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += _names(inner, f"{path}__")
        else:
            found.append((path, info.description or ""))
    found += [
        (f"{PREFIX}{group}__NAME__{n.upper()}", f.description or "")
        for group, entry in (("PROVIDERS", ProviderSettings), ("SOURCES", SourceSettings))
        for n, f in entry.model_fields.items()
    ] * (model is Settings)
    return found


def _refuse_unknown_names(environment: Mapping[str, str]) -> None:
    known = known_names() | dict.fromkeys(reference_names(Settings, PREFIX), "")
    sections = {name.rsplit("__", 1)[0] for name in known if "__" in name}
    for name in environment:
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in known or upper in sections:
            continue
        if upper.startswith(("MOAT_PROVIDERS__", "MOAT_MODELS__", "MOAT_SOURCES__")):
            continue  # the map's keys are free; pydantic checks what stands below them
        nearest = get_close_matches(upper, known, n=1, cutoff=0.5)
        hint = f"Did you mean {nearest[0]}?" if nearest else "'moat doctor --settings' lists every name."
        raise InvalidRequest(f"{name} is not a setting of Moat.", hint)


def _explain(error: ValidationError) -> str:
    parts = []
    for problem in error.errors():
        place = ".".join(str(p) for p in problem["loc"])
        parts.append(f"{place}: {_nearest(place) if problem['type'] == 'extra_forbidden' else problem['msg']}")
    return "Settings are not valid: " + "; ".join(parts)


def _nearest(place: str) -> str:
    """Name the setting that was probably meant by an unknown one of moat.toml."""
    known = [name.removeprefix(PREFIX).replace("__", ".").lower() for name in known_names()]
    sections = {name.rpartition(".")[0] for name in known} - {""}
    nearest = get_close_matches(place.lower(), [*known, *sorted(sections)], n=1, cutoff=0.5)
    return f"there is no such setting; did you mean {nearest[0]}?" if nearest else "there is no such setting."
