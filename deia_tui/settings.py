"""hive.toml and the templates as frozen models: every default stands here, or in the policy of core/ that it
configures.

A file that does not fit raises ConfigError with file, line, field, reason and a suggestion.
"""

import difflib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from deia_tui.adapters import check_kind
from deia_tui.complaints import read, together
from deia_tui.core.bots import AgentSpec, BotSpec, RestartPolicy, idle_timeout_of
from deia_tui.core.breaker import BreakerPolicy
from deia_tui.core.errors import CommandRejected, ConfigError
from deia_tui.core.ids import is_bot_id
from deia_tui.core.jsonl import picker
from deia_tui.core.letters.letter import LONGEST_TTL_S, LetterPolicy
from deia_tui.core.lifecycle import LifePolicy
from deia_tui.core.load.flow import FlowPolicy
from deia_tui.core.load.scaler import Limits, ScalingPolicy
from deia_tui.core.load.strain import StrainPolicy
from deia_tui.core.programs import PROGRAMS, program_of
from deia_tui.core.restart import RestartLimits
from deia_tui.core.runaway import RunawayPolicy
from deia_tui.core.scheduling.performance import SchedulingPolicy
from deia_tui.core.turns import PermissionPolicy
from deia_tui.core.work.attempts import TaskPolicy
from deia_tui.folder import Folder, write_atomic

_LIMITS, _BREAKER, _RUNAWAY = RestartLimits(), BreakerPolicy(), RunawayPolicy()
_FLOW, _STRAIN, _SCALING = FlowPolicy(), StrainPolicy(), ScalingPolicy()
_SCHEDULING = SchedulingPolicy()
_LETTERS = LetterPolicy()
_TASKS = TaskPolicy()

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Limit = Annotated[float, Field(gt=0, le=1_000_000)]
Port = Annotated[int, Field(ge=1024, le=65_535)]
Niceness = Annotated[int, Field(ge=-20, le=19)]


def _bot_id(text: str) -> str:
    if not is_bot_id(text):
        raise ValueError("this cannot name a bot: use 1 to 32 letters, digits, '-' or '_'")
    return text


BotId = Annotated[str, AfterValidator(_bot_id)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HiveSection(Section):
    name: str = ""
    on_term: Literal["leave", "stop"] = "leave"
    restore_after_boot: bool = True


class PermissionSection(Section):
    """What becomes of an agent's requests for leave before a human is asked."""

    default: Literal["ask", "allow", "deny"] = "ask"
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class AgentSection(Section):
    kind: Annotated[str, AfterValidator(check_kind)]
    argv: tuple[str, ...] = ()
    model: str = ""
    mode: str = ""
    provider: str | None = None
    prompt: Literal["stdin", "argument", "file"] = "stdin"
    output: Literal["text", "jsonl"] = "text"
    fields: dict[str, str] = {}
    env: dict[str, str] = {}
    pass_env: tuple[str, ...] = ()
    timeout_s: Seconds = 600.0
    idle_timeout_s: Seconds | None = None
    approval_timeout_s: Seconds = 300.0
    permissions: PermissionSection | None = None
    options: dict[str, Any] = {}

    @field_validator("argv")
    @classmethod
    def _named(cls, argv: tuple[str, ...]) -> tuple[str, ...]:
        if argv and not argv[0].strip():
            raise ValueError("the first word must name a program")
        return argv

    @field_validator("fields")
    @classmethod
    def _pickable(cls, fields: dict[str, str]) -> dict[str, str]:
        picker(fields.items())
        return fields


class BotSection(Section):
    template: str | None = None
    agent: str | None = None
    model: str = ""
    workdir: str = ""
    worktree: bool | None = None
    worktree_at_stop: Literal["keep", "remove"] | None = None
    budget_usd: Annotated[float, Field(gt=0)] | None = None
    permissions: PermissionSection | None = None
    autostart: bool = False
    restart: RestartPolicy | None = None
    memory_mb: Annotated[float, Field(gt=0)] | None = None
    memory_max_mb: Annotated[float, Field(gt=0)] | None = None
    nice: Niceness | None = None


class RestartSection(Section):
    policy: RestartPolicy = RestartPolicy.PERMANENT
    max_restarts: Count = _LIMITS.max_restarts
    window_s: Seconds = _LIMITS.window_s
    backoff_base_s: Seconds = _LIMITS.backoff_base_s
    backoff_max_s: Seconds = _LIMITS.backoff_max_s
    stable_s: Seconds = _LIMITS.stable_s


class BreakerSection(Section):
    consecutive_failures: Count = _BREAKER.consecutive_failures
    failure_rate: Annotated[float, Field(gt=0, le=1)] = _BREAKER.failure_rate
    min_calls: Count = _BREAKER.min_calls
    window_calls: Count = _BREAKER.window_calls
    window_s: Seconds = _BREAKER.window_s
    cooldown_s: Seconds = _BREAKER.cooldown_s
    trial_s: Seconds = _BREAKER.trial_s
    slow_call_s: Seconds = _BREAKER.slow_call_s


class LivenessSection(Section):
    period_s: Seconds = 30.0
    timeout_s: Seconds = 5.0
    failure_threshold: Count = 3


class ProcessSection(Section):
    start_timeout_s: Seconds = 60.0
    work_grace_s: Seconds = 8.0
    grace_period_s: Seconds = 10.0
    first_port: Port = 8001
    last_port: Port = 8999

    @model_validator(mode="after")
    def _ports_in_order(self) -> Self:
        if self.first_port > self.last_port:
            raise ValueError("first_port must not be above last_port")
        return self


class RunawaySection(Section):
    cpu_percent: Annotated[float, Field(gt=0)] = _RUNAWAY.cpu_percent
    memory_mb: Annotated[float, Field(gt=0)] = _RUNAWAY.memory_mb
    samples: Count = _RUNAWAY.samples
    share: Annotated[float, Field(gt=0, le=1)] = _RUNAWAY.share


class FlowSection(Section):
    refuse_at: Count = _FLOW.refuse_at
    release_below: Count = _FLOW.release_below
    urgent_reserve: Annotated[int, Field(ge=0, le=1_000_000)] = _FLOW.urgent_reserve
    ahead: Count = _FLOW.ahead
    first_pace_s: Seconds = _FLOW.first_pace_s

    @model_validator(mode="after")
    def _opens_again(self) -> Self:
        if self.release_below > self.refuse_at:
            raise ValueError("release_below must not be above refuse_at")
        return self


class MessagesSection(Section):
    ttl_s: Annotated[float, Field(gt=0, le=LONGEST_TTL_S)] = _LETTERS.ttl_s
    max_tries: Count = _LETTERS.max_tries
    backoff_base_s: Seconds = _LETTERS.backoff_base_s
    backoff_max_s: Seconds = _LETTERS.backoff_max_s
    unread_sent: Count = _LETTERS.unread_sent
    warn_depth: Count = _LETTERS.warn_depth
    critical_depth: Count = _LETTERS.critical_depth
    keep_expired_h: Annotated[float, Field(gt=0, le=8784)] = _LETTERS.keep_expired_h

    @model_validator(mode="after")
    def _worsens(self) -> Self:
        if self.warn_depth > self.critical_depth:
            raise ValueError("warn_depth must not be above critical_depth")
        return self


class TasksSection(Section):
    max_tries: Count = _TASKS.max_tries
    backoff_base_s: Seconds = _TASKS.backoff_base_s
    backoff_max_s: Seconds = _TASKS.backoff_max_s
    lease_s: Seconds = _TASKS.lease_s
    ageing_s: Seconds = _TASKS.ageing_s
    rescan_s: Seconds = 5.0
    max_file_kb: Annotated[float, Field(gt=0, le=1024)] = 1024.0


class StrainSection(Section):
    window_s: Seconds = _STRAIN.window_s
    cpu_degraded: Limit = _STRAIN.cpu_degraded
    cpu_critical: Limit = _STRAIN.cpu_critical
    memory_degraded: Limit = _STRAIN.memory_degraded
    memory_critical: Limit = _STRAIN.memory_critical
    queue_degraded: Limit = _STRAIN.queue_degraded
    queue_critical: Limit = _STRAIN.queue_critical
    errors_degraded: Limit = _STRAIN.errors_degraded
    errors_critical: Limit = _STRAIN.errors_critical
    min_calls: Count = _STRAIN.min_calls
    recovered: Annotated[float, Field(gt=0, le=1)] = _STRAIN.recovered

    @model_validator(mode="after")
    def _escalates(self) -> Self:
        for what in ("cpu", "memory", "queue", "errors"):
            if getattr(self, f"{what}_degraded") > getattr(self, f"{what}_critical"):
                raise ValueError(f"{what}_degraded must not be above {what}_critical")
        return self


class ScalingSection(Section):
    up_queue: Count = _SCALING.up_queue
    up_load: Annotated[float, Field(gt=0, le=1)] = _SCALING.up_load
    load_s: Seconds = _SCALING.load_s
    idle_s: Seconds = _SCALING.idle_s
    up_cooldown_s: Seconds = _SCALING.up_cooldown_s
    down_cooldown_s: Seconds = _SCALING.down_cooldown_s
    max_memory_percent: Limit = _SCALING.max_memory_percent
    max_cpu_percent: Limit = _SCALING.max_cpu_percent
    max_fatal: Count = _SCALING.max_fatal
    retry_max_s: Seconds = _SCALING.retry_max_s


class SchedulingSection(Section):
    min_samples: Count = _SCHEDULING.min_samples
    newest_weight: Annotated[float, Field(gt=0, lt=1)] = _SCHEDULING.newest_weight
    explore_share: Annotated[float, Field(ge=0, le=1)] = _SCHEDULING.explore_share
    half_life_h: Annotated[float, Field(gt=0)] = _SCHEDULING.half_life_h
    trend_step: Annotated[float, Field(gt=0, le=1)] = _SCHEDULING.trend_step
    starved_s: Seconds = _SCHEDULING.starved_s
    starved_choices: Count = _SCHEDULING.starved_choices
    drift: Annotated[float, Field(gt=0, le=1)] = _SCHEDULING.drift


class BackupSection(Section):
    every_h: Annotated[float, Field(gt=0, le=8784)] = 6.0
    keep: Count = 8


class RetentionSection(Section):
    events_days: Annotated[float, Field(ge=1, le=36_600)] = 30.0
    state_mb: Annotated[float, Field(ge=10)] = 1000.0


class ConsoleSection(Section):
    theme: str = "tokyo-night"
    ascii: bool = False
    read_only: bool = False


class Template(Section):
    """A kind of bot: which agent, and what it may use. `heartbeat_min` is the agent's own wake-up cadence."""

    agent: str
    model: str = ""
    instance: str = ""
    heartbeat_min: float | None = None
    memory_mb: Annotated[float, Field(gt=0)] | None = None
    memory_max_mb: Annotated[float, Field(gt=0)] | None = None
    storage_gb: float | None = None
    cooldown_s: Annotated[float, Field(ge=0)] = 0.0
    nice: Niceness = 0
    restart: RestartPolicy | None = None
    worktree: bool = False
    worktree_at_stop: Literal["keep", "remove"] = "keep"
    budget_usd: Annotated[float, Field(gt=0)] | None = None
    permissions: PermissionSection | None = None
    min_bots: Annotated[int, Field(ge=0, le=10)] | None = None
    max_bots: Annotated[int, Field(ge=1, le=10)] | None = None
    capabilities: tuple[str, ...] = ()
    summary: str = ""

    @model_validator(mode="after")
    def _least_and_most(self) -> Self:
        if (limits := self.limits) is not None and limits.least > limits.most:
            raise ValueError("min_bots must not be above max_bots")
        return self

    @property
    def limits(self) -> Limits | None:
        """How many bots scaling keeps of it; None where nobody says: then it starts and stops none."""
        if self.min_bots is None and self.max_bots is None:
            return None
        return Limits(1 if self.min_bots is None else self.min_bots, self.max_bots or 10)


BUILT_IN = {
    "shell": AgentSection(kind="shell"),
    **{name: AgentSection(kind=program.kind, argv=program.argv) for name, program in PROGRAMS.items()},
}


def agent_named(name: str, declared: Mapping[str, AgentSection]) -> AgentSection | None:
    """With what it runs; `shell` and well-known programs need no declaration, or none of argv."""
    agent = declared.get(name)
    if agent is None:
        return BUILT_IN.get(name)
    usual = BUILT_IN.get("claude" if agent.kind == "claude" else name)
    known = not agent.argv and usual is not None and usual.kind == agent.kind
    return agent.model_copy(update={"argv": usual.argv}) if known and usual else agent


class Settings(Section):
    hive: HiveSection = HiveSection()
    agents: dict[str, AgentSection] = {}
    bots: dict[BotId, BotSection] = {}
    restart: RestartSection = RestartSection()
    breaker: BreakerSection = BreakerSection()
    liveness: LivenessSection = LivenessSection()
    process: ProcessSection = ProcessSection()
    runaway: RunawaySection = RunawaySection()
    flow: FlowSection = FlowSection()
    strain: StrainSection = StrainSection()
    scaling: ScalingSection = ScalingSection()
    messages: MessagesSection = MessagesSection()
    tasks: TasksSection = TasksSection()
    scheduling: SchedulingSection = SchedulingSection()
    backup: BackupSection = BackupSection()
    retention: RetentionSection = RetentionSection()
    console: ConsoleSection = ConsoleSection()

    def agent(self, name: str) -> AgentSection | None:
        """The agent of that name, with what it runs."""
        return agent_named(name, self.agents)

    def life_policy(self, spec: BotSpec) -> LifePolicy:
        limits = self.restart.model_dump(exclude={"policy"})
        return LifePolicy(
            restart=spec.restart,
            limits=RestartLimits(**limits),
            start_timeout_s=self.process.start_timeout_s,
            grace_period_s=self.process.grace_period_s,
        )

    def breaker_policy(self) -> BreakerPolicy:
        return BreakerPolicy(**self.breaker.model_dump())

    def letter_policy(self) -> LetterPolicy:
        return LetterPolicy(**self.messages.model_dump())

    def flow_policy(self) -> FlowPolicy:
        return FlowPolicy(**self.flow.model_dump())

    def task_policy(self) -> TaskPolicy:
        return TaskPolicy(**self.tasks.model_dump(exclude={"rescan_s", "max_file_kb"}))

    def strain_policy(self) -> StrainPolicy:
        return StrainPolicy(**self.strain.model_dump())

    def scaling_policy(self) -> ScalingPolicy:
        return ScalingPolicy(**self.scaling.model_dump())

    def scheduling_policy(self) -> SchedulingPolicy:
        return SchedulingPolicy(**self.scheduling.model_dump())

    def runaway_policy(self, spec: BotSpec) -> RunawayPolicy:
        policy = RunawayPolicy(**self.runaway.model_dump())
        return policy.with_memory(spec.memory_mb)


class Catalogue(Section):
    """Everything one can launch: the settings and the templates of a hive, read at one moment. `root` is its folder."""

    settings: Settings = Settings()
    templates: dict[str, Template] = {}
    source: str = "hive.toml"
    root: Path = Path()

    def names(self) -> list[str]:
        """Templates first, then agents that no template has the name of."""
        agents = ["shell", *self.settings.agents]
        return [*self.templates, *(name for name in dict.fromkeys(agents) if name not in self.templates)]

    def spec(self, bot_id: str, what: str) -> BotSpec:
        """How to run `bot_id` as the template or agent `what`; raises CommandRejected when nobody could."""
        return self._spec(bot_id, what, BotSection())

    def declared(self, bot_id: str) -> BotSpec:
        """How to run a bot of hive.toml."""
        section = self.settings.bots[bot_id]
        what = section.template or section.agent
        if what is None:
            raise CommandRejected(f"[bots.{bot_id}] in {self.source} names neither a template nor an agent.")
        if section.template and section.agent and section.template not in self.templates:
            raise CommandRejected(
                f"There is no template '{section.template}', which [bots.{bot_id}] in {self.source} names.", status=404
            )
        return self._spec(bot_id, what, section)

    def _spec(self, bot_id: str, what: str, section: BotSection) -> BotSpec:
        template = self.templates.get(what)
        agent_name = section.agent or (template.agent if template else what)
        memory_mb = section.memory_mb or (template.memory_mb if template else None)
        nice = section.nice if section.nice is not None else (template.nice if template else 0)
        restart = section.restart or (template.restart if template else None)
        return BotSpec(
            bot_id=bot_id,
            agent=self._agent_spec(what, agent_name, template or Template(agent=agent_name), section),
            template=what if template else None,
            workdir=str(self.root / os.path.expanduser(section.workdir)) if section.workdir else "",
            worktree=section.worktree if section.worktree is not None else bool(template and template.worktree),
            worktree_at_stop=section.worktree_at_stop or (template.worktree_at_stop if template else "keep"),
            budget_usd=section.budget_usd or (template.budget_usd if template else None),
            memory_mb=memory_mb or self.settings.runaway.memory_mb,
            memory_max_mb=section.memory_max_mb or (template.memory_max_mb if template else None),
            nice=nice,
            restart=restart or self.settings.restart.policy,
            work_grace_s=self.settings.process.work_grace_s,
        )

    def _agent_spec(self, what: str, name: str, template: Template, section: BotSection) -> AgentSpec:
        agent = self.settings.agent(name)
        if agent is None and name == what:
            raise CommandRejected(f"There is no template or agent '{what}'{self._did_you_mean(what)}.", status=404)
        if agent is None:
            raise CommandRejected(
                f"Template '{what}' wants agent '{name}': declare [agents.{name}] in hive.toml.",
                status=404,
            )
        if agent.kind in ("command", "acp") and not agent.argv:
            raise CommandRejected(f"[agents.{name}] in {self.source} has no argv: name its program.", status=422)
        permissions = section.permissions or template.permissions or agent.permissions or PermissionSection()
        return AgentSpec(
            name=name,
            kind=agent.kind,
            argv=agent.argv,
            model=section.model or template.model or agent.model,
            mode=agent.mode,
            provider=_usual_provider(name, agent) if agent.provider is None else agent.provider,
            prompt=agent.prompt,
            output=agent.output,
            fields=tuple(agent.fields.items()),
            timeout_s=agent.timeout_s,
            idle_timeout_s=agent.idle_timeout_s or idle_timeout_of(agent.kind, agent.timeout_s),
            approval_timeout_s=agent.approval_timeout_s,
            permissions=PermissionPolicy(**permissions.model_dump()),
            options=json.dumps(agent.options),
        )

    def _did_you_mean(self, what: str) -> str:
        known = [*self.names(), *self.settings.bots]
        close = difflib.get_close_matches(what, [*known, *BUILT_IN], n=1)
        return f": did you mean '{close[0]}'?" if close else f"; known are {', '.join(known)}"


def load(folder: Folder) -> Catalogue:
    """Read hive.toml and the templates of a hive; a file that is not there means the defaults.

    Raises ConfigError with everything that is wrong in all of them.
    """
    complaints: list[str] = []
    settings = read(folder.hive_toml, Settings, complaints) if folder.hive_toml.exists() else Settings()
    templates = {path.stem: read(path, Template, complaints) for path in sorted(folder.templates.glob("*.toml"))}
    if complaints:
        raise ConfigError(together(complaints))
    assert settings is not None
    if not settings.hive.name:
        hive = settings.hive.model_copy(update={"name": folder.root.name})
        settings = settings.model_copy(update={"hive": hive})
    return Catalogue(
        settings=settings,
        templates={name: template for name, template in templates.items() if template is not None},
        source=str(folder.hive_toml),
        root=folder.root,
    )


def _usual_provider(name: str, agent: AgentSection) -> str:
    """Whose API it uses, where hive.toml does not say."""
    program = program_of(agent.kind, agent.argv)
    return program.provider if program else "" if agent.kind == "shell" else name


def furnish(folder: Folder) -> None:
    """Give a hive that has neither settings nor templates the documented hive.toml and the shipped templates; and one
    that has no price table the shipped one."""
    if not folder.prices.exists():
        write_atomic(folder.prices, (SAMPLE / "prices.toml").read_bytes(), sync=False)
    if folder.hive_toml.exists() or any(folder.templates.iterdir()):
        return
    for source, target in (
        (SAMPLE / "hive.toml", folder.hive_toml),
        *((path, folder.templates / path.name) for path in sorted((SAMPLE / "templates").glob("*.toml"))),
    ):
        write_atomic(target, source.read_bytes(), sync=False)


SAMPLE = Path(__file__).parent / "sample"
