"""Records: one JSON line per measured case, append-only, each traceable to its code, its data and its machine.

A file holds two kinds of lines. An `environment` line describes machine, versions and, if there were any, the
environment variables that were set and can change a number (`variables`, by name) once; every `record` line
after it names it by `env_hash`. Files may be concatenated. Nothing read from a file is ever executed.

Times are in seconds, memory in bytes. `record_schema.json` says what a reader takes, `Record` and `Environment` say the
same to a type checker.
"""

from typing import Any, Literal, NotRequired, Required, TypedDict, get_args

SCHEMA_VERSION = 1

Status = Literal["ok", "skip", "wrong", "oom", "timeout", "error"]
STATUSES: tuple[Status, ...] = get_args(Status)
"""ok: measured. skip: cannot run here. wrong: the gradient check failed, so there is no time or memory. The
rest: how it ended."""

TABLES = ("versions", "variables")
"""What an environment may have; `variables` are those that were set, if there were any. Of those, the records of a
baseline, which have no environment, have them themselves."""


class Data(TypedDict, total=False):
    """The recordings that were trained on."""

    label: str | None
    synthetic: bool | None
    fingerprint: str | None
    """Hash of the data set's files; null where the data are computed. Earlier versions lack it."""


class GradientCheck(TypedDict, total=False):
    """How the gradient in float64 agreed with the algorithm's NumPy reference, on a few samples and steps."""

    reference: str | None
    steps: int | None
    batch: int | None
    firing_rate: list[float] | None
    loss: float | None
    parameter: str | None
    """The weight whose gradient is furthest off, with its relative error."""
    error: float | None
    loss_error: float | None
    limit: float | None
    plain_error: float | None
    """Of a trace in bfloat16, against the gradient with a trace in the case's own dtype."""
    plain_limit: float | None
    uninformative: str | None
    """Why nothing could be checked."""


class Phases(TypedDict, total=False):
    """Seconds before the first sample."""

    lower_s: float | None
    compile_s: float | None
    first_call_s: float | None


class Time(TypedDict, total=False):
    """Samples in seconds by the clock and by the processor (all threads together), and what summarises the former."""

    phases: Phases | None
    samples_s: list[float] | None
    cpu_samples_s: list[float] | None
    median_s: float | None
    iqr_s: float | None
    low_s: float | None
    """With high_s: the 95 % interval of the median."""
    high_s: float | None
    forward_s: float | None
    """Of the forward pass alone."""
    unstable: bool | None
    busy: bool | None
    """Whether something else kept the machine busy meanwhile."""
    load: float | None
    involuntary_switches: int | None


class Floor(TypedDict, total=False):
    """Least work of a gradient, by formula: see `cost.flops.LowerBound`."""

    forward_flops: int | None
    flops: int | None
    moved_bytes: int | None


class Memory(TypedDict, total=False):
    """Bytes by each meter; working_bytes is the one to compare, and meter says whose it is."""

    meter: str | None
    working_bytes: int | None
    analytic_bytes: int | None
    rss_peak_bytes: int | None
    xla_temp_bytes: int | None
    xla_output_bytes: int | None
    xla_argument_bytes: int | None
    torch_peak_bytes: int | None


class Agreement(TypedDict, total=False):
    """A gradient against float64 BPTT's; null where one of the two is zero."""

    cosine: float | None
    error: float | None
    """Relative, of the L2 norm."""
    norm_ratio: float | None
    sign_agreement: float | None


class Fidelity(TypedDict, total=False):
    """Agreement of all weights as one vector, of each layer's weights as one, and of each weight."""

    overall: Agreement | None
    per_layer: dict[str, Agreement | None] | None
    """By "layer0" ... "readout". Earlier versions lack it."""
    per_parameter: dict[str, Agreement | None] | None
    """By "layer0.x" ... "readout.b"."""


class Activity(TypedDict, total=False):
    """Per spiking layer: mean firing rate a step, share of silent neurons, share of spikes unlike float64's."""

    firing_rate: list[float] | None
    silent: list[float] | None
    spike_mismatch: list[float] | None


class Environment(TypedDict, total=False):
    """Machine and versions, described once in a file; its records name it by env_hash."""

    kind: Required[Literal["environment"]]
    schema_version: Required[int]
    env_hash: Required[str | None]
    python: str | None
    versions: dict[str, str | None] | None
    variables: dict[str, str | None] | None
    """Environment variables that were set and can change a number, if there were any."""
    os: str | None
    cpu: str | None
    cores: int | None
    memory_gib: float | None
    gpu: str | None


class Record(TypedDict):
    """One case, measured once."""

    kind: Literal["record"]
    schema_version: int
    plan: str
    run: NotRequired[str | None]
    """When the run that measured it began, the same for all that it measured. Earlier versions lack it."""
    round: int
    limit_s: NotRequired[float | None]
    case_key: str
    case: dict[str, Any]
    """The fields of `Case`, which is their type; a later version may have more."""
    env_hash: str | None
    implementation_sha: str
    commit: NotRequired[str | None]
    dirty: NotRequired[bool | None]
    plugins: NotRequired[dict[str, str] | None]
    """Hash of each plugin whose names the case uses."""
    variables: NotRequired[dict[str, str | None] | None]
    """As an environment's; a baseline's records, which have no environment, have them themselves."""
    data: Data
    status: Status
    reason: NotRequired[str | None]
    refused: NotRequired[bool | None]
    """Whether the case was not started, for lack of memory."""
    gate: NotRequired[GradientCheck | None]
    time: Time
    floor: NotRequired[Floor | None]
    memory: Memory
    fidelity: Fidelity
    activity: Activity
    started: NotRequired[str | None]
    duration_s: NotRequired[float | None]
    source: NotRequired[str]
    """Name of the record's file; this and the next are no fields of a line, `reading` adds them."""
    environment: NotRequired[Environment | None]
    """What env_hash names, if the file has it."""


Line = Record | Environment
"""A line of a record file."""
