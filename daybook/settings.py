"""Every knob of the program, in one validated place: ``DAYBOOK_<NAME>`` in the environment.

Two homes never share a file, a socket or a database, so several copies of the program run side by side once their
ports differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from daybook.embedded_postgres import socket_directory
from rails.http_calls import LONGEST_READ_TIMEOUT_SECONDS
from rails.registry import OPERATIONS_OF
from rails.routing import Cost
from rails.stripe import DEFAULT_URL as STRIPE_URL

ENGINE_SOCKET = "engine.sock"
DATABASE_NAME = "daybook"

Port = Annotated[int, Field(ge=1, le=65535)]
RailTimeout = Annotated[float, Field(gt=0, le=LONGEST_READ_TIMEOUT_SECONDS)]


class Settings(BaseSettings):
    """What one running copy is told from outside. Raises pydantic's ``ValidationError``, naming the field."""

    # An error that shows what it was given would show the keys of payment providers too.
    model_config = SettingsConfigDict(env_prefix="DAYBOOK_", extra="ignore", frozen=True, hide_input_in_errors=True)

    home: Path = Field(default=Path(".daybook"), description="Directory that holds all state of this copy.")
    database_url: str | None = Field(
        default=None,
        description="libpq connection string of a server of one's own; without it one is started under home.",
    )
    key_store: Path | None = Field(
        default=None,
        description="File with the keys of the people whom events are about; keys/subjects.sqlite under home unless"
        " given. Never in what backups of the database hold: an erasure could not reach it there.",
    )
    master_keys: Path | None = Field(
        default=None,
        description="File with the keys that those keys are wrapped with; keys/master-keys.json under home unless"
        " given.",
    )
    book: int = Field(
        default=1, ge=1, le=2**31 - 1, description="The tenant's ledger that commands work on by default."
    )
    view_modules: str = Field(
        default="", description="Python modules with views of one's own, or with the fix of one, separated by commas."
    )
    commission_bps: int = Field(
        default=1000,
        ge=0,
        le=10_000,
        description="Platform commission of a newly opened book, in hundredths of a percent.",
    )

    api_host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    api_port: Port = Field(default=8080, description="Port of the API.")
    api_processes: int = Field(
        default=2, ge=1, le=64, description="Processes that serve the API, all on the same port; 1 per free processor."
    )
    api_threads: int = Field(default=64, ge=1, description="Threads that serve requests in each API process.")
    api_listener: int | None = Field(
        default=None, ge=0, description="Descriptor of a listening socket that an API process inherits, if it does."
    )
    simulator_host: str = Field(default="127.0.0.1", description="Address the payment rail simulator listens on.")
    simulator_port: Port = Field(default=8081, description="Port of the payment rail simulator.")

    stripe_key: SecretStr | None = Field(
        default=None, description="Secret or restricted key of a Stripe account; without it the rail is not opened."
    )
    stripe_url: str = Field(default=STRIPE_URL, description="Where Stripe's API is reached.")
    bank_url: str = Field(
        default="", description="Where the bank's interface is reached; left empty, at the simulator's bank."
    )
    bank_creditor_name: str = Field(default="", description="Who is paid into the account at the bank.")
    bank_iban: str = Field(default="", description="The account that is paid into; without it the rail is not opened.")
    bank_bic: str = Field(default="", description="BIC of the account's bank; payers from elsewhere are shown it.")
    bank_creditor_id: str = Field(default="", description="Identifier by which direct debits are collected.")

    order_expiry_s: int = Field(
        default=3600,
        ge=1,
        description="Seconds after which an order of the API that nobody paid expires, unless it says otherwise.",
    )
    rail_timeout_s: RailTimeout = Field(
        default=10.0, description="Seconds to wait for a rail's answer before the outcome counts as unknown."
    )
    rail_timeouts: dict[str, dict[str, RailTimeout]] = Field(
        default={},
        description='The same where an operation of a rail needs another: {"stripe": {"authorise": 30, "inquire": 5}}.',
    )
    rail_costs: dict[str, Cost] = Field(
        default={},
        description='What rails charge, by name, for choosing among them: {"stripe": {"bps": 140, "fixed_minor": 25}}.',
    )
    timer_interval_s: float = Field(default=0.5, gt=0, description="Seconds between looks at what has become due.")
    evidence_interval_s: float = Field(
        default=10.0, gt=0, description="Seconds between looks at what rails tell by themselves: bookings, settlements."
    )
    stop_timeout_s: float = Field(
        default=20.0, gt=0, description="Seconds a process may take to stop before it is killed."
    )

    metrics_port: int = Field(
        default=0,
        ge=0,
        le=65532,
        description="First of three ports with the Prometheus metrics of engine, views and payments; 0 for none.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least severe log line that is written."
    )

    @field_validator("rail_timeouts")
    @classmethod
    def _rails_have_such_operations(cls, given: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for rail, operations in given.items():
            if rail not in OPERATIONS_OF:
                raise ValueError(f"{rail} is no rail that is called: use one of {', '.join(OPERATIONS_OF)}")
            names = ", ".join(OPERATIONS_OF[rail])
            for operation in operations:
                if operation not in OPERATIONS_OF[rail]:
                    raise ValueError(f"{rail}.{operation} is nothing that is waited for: use one of {names}")
        return given

    @model_validator(mode="after")
    def _keys_are_apart(self) -> Self:
        files = {"DAYBOOK_KEY_STORE": self.key_store_file, "DAYBOOK_MASTER_KEYS": self.master_keys_file}
        for name, path in files.items():
            if path.resolve().is_relative_to(self.postgres_directory.resolve()):
                raise ValueError(
                    f"{name} lies in the database's directory, and so in its backups; choose another place"
                )
        if self.key_store_file.resolve() == self.master_keys_file.resolve():
            raise ValueError("DAYBOOK_KEY_STORE and DAYBOOK_MASTER_KEYS are the same file; choose two")
        return self

    def rail_timeouts_of(self, rail: str) -> dict[str, float]:
        """How long each operation of a rail is waited for, in seconds; empty for a rail that calls nobody."""
        given = self.rail_timeouts.get(rail, {})
        return {operation: given.get(operation, self.rail_timeout_s) for operation in OPERATIONS_OF.get(rail, ())}

    @property
    def key_store_file(self) -> Path:
        """The SQLite file with the wrapped keys of subjects."""
        return (self.key_store or self.home / "keys" / "subjects.sqlite").absolute()

    @property
    def master_keys_file(self) -> Path:
        """The file with the keys that wrap those keys."""
        return (self.master_keys or self.home / "keys" / "master-keys.json").absolute()

    @property
    def payer_key_file(self) -> Path:
        """The file with the key that payers' secrets are made with."""
        return (self.home / "keys" / "payer-secrets.key").absolute()

    @property
    def postgres_directory(self) -> Path:
        """Where the embedded server keeps its cluster."""
        return self.home.absolute() / "postgres"

    @property
    def engine_socket(self) -> Path:
        """The Unix socket the posting engine answers on; in a short directory when home is too deep for one."""
        return socket_directory(self.home, ENGINE_SOCKET) / ENGINE_SOCKET

    @property
    def simulator_database(self) -> Path:
        """The SQLite file with the simulator's own books."""
        return self.home.absolute() / "simulator.sqlite"

    @property
    def api_url(self) -> str:
        """Where a client on this machine reaches the API."""
        return f"http://{self.api_host}:{self.api_port}"

    @property
    def simulator_url(self) -> str:
        """Where the rail adapter reaches the simulator."""
        return f"http://{self.simulator_host}:{self.simulator_port}"
