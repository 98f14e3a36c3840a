"""The tables. Times are epoch seconds (UTC) in doubles: equal and indexable on SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives a rowid only to INTEGER PRIMARY KEY.
_Id = BigInteger().with_variant(Integer, "sqlite")

monitor = Table(
    "monitor",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("parent_id", _Id, ForeignKey("monitor.id", ondelete="CASCADE"), nullable=True),
    Column("slug", Text, nullable=False, server_default=""),
    Column("token", String(36), nullable=True, unique=True),  # the uuid in a heartbeat's ping URL
    Column("source", String(8), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("removed_at", Double, nullable=True),  # gone from the file: history is kept
)
Index(
    "uq_monitor_top",
    monitor.c.kind,
    monitor.c.name,
    unique=True,
    sqlite_where=monitor.c.parent_id.is_(None),
    postgresql_where=monitor.c.parent_id.is_(None),
)
Index(
    "uq_monitor_component",
    monitor.c.parent_id,
    monitor.c.name,
    unique=True,
    sqlite_where=monitor.c.parent_id.is_not(None),
    postgresql_where=monitor.c.parent_id.is_not(None),
)
# One heartbeat a slug: what makes two concurrent `create=1` give one monitor. A removed one frees its slug.
# The API may make several with the same, or without one, as that of Healthchecks does.
_live_heartbeat = (
    (monitor.c.kind == "heartbeat") & monitor.c.removed_at.is_(None) & (monitor.c.source != "api")
)
Index(
    "uq_monitor_slug",
    monitor.c.slug,
    unique=True,
    sqlite_where=_live_heartbeat,
    postgresql_where=_live_heartbeat,
)

Index("ix_monitor_slug", monitor.c.slug)
_from_file = (monitor.c.source == "file") & monitor.c.parent_id.is_(None)
Index("ix_monitor_file", monitor.c.id, sqlite_where=_from_file, postgresql_where=_from_file)

state = Table(
    "monitor_state",
    metadata,
    Column("monitor_id", _Id, ForeignKey("monitor.id", ondelete="CASCADE"), primary_key=True),
    Column("state", String(8), nullable=False),
    Column("since", Double, nullable=False),
    Column("deadline", Double, nullable=True),
    Column(
        "data", Text, nullable=False
    ),  # the rest of MonitorState, by codec.py: read it with `codec.state_of`
    Column("told", BigInteger, nullable=True),  # the last row of `unseen` that its moments have moved by
)
Index(
    "ix_monitor_state_deadline",
    state.c.deadline,
    sqlite_where=state.c.deadline.is_not(None),
    postgresql_where=state.c.deadline.is_not(None),
)
# The few that are not well: what the assembler looks at to be right even where a change was lost.
_troubled = state.c.state.in_(["down", "warn"])
Index("ix_monitor_state_troubled", state.c.monitor_id, sqlite_where=_troubled, postgresql_where=_troubled)

ping = Table(
    "ping",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("monitor_id", _Id, ForeignKey("monitor.id", ondelete="CASCADE"), nullable=False),
    Column("n", Integer, nullable=False),  # the monitor's own count, from 1
    Column("at", Double, nullable=False),
    Column("received_at", Double, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("exit_code", Integer, nullable=True),
    Column("rid", String(36), nullable=True),
    Column("duration", Double, nullable=True),
    Column("scheme", String(8), nullable=False),
    Column("method", String(16), nullable=False),
    Column("user_agent", String(200), nullable=False),
    Column("remote", String(64), nullable=False),
    Column("body", LargeBinary, nullable=True),
    UniqueConstraint("monitor_id", "n", name="uq_ping_monitor_id_n"),
)
# The few with much to say, of which fewer are kept than of the others: see `history.prune_bodies`.
LONG_BODY = 1_000  # bytes
_long = func.length(ping.c.body) > LONG_BODY
Index("ix_ping_long_body", ping.c.monitor_id, ping.c.n, sqlite_where=_long, postgresql_where=_long)

poll = Table(
    "poll",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("monitor_id", _Id, ForeignKey("monitor.id", ondelete="CASCADE"), nullable=False),
    Column("at", Double, nullable=False),
    Column("verdict", String(4), nullable=False),
    Column("http_status", Integer, nullable=True),
    Column("latency", Double, nullable=True),
    Column("reason", Text, nullable=True),
)
Index("ix_poll_monitor_id_at", poll.c.monitor_id, poll.c.at)

change = Table(
    "change",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("monitor_id", _Id, ForeignKey("monitor.id", ondelete="CASCADE"), nullable=False),
    Column("at", Double, nullable=False),
    Column("old", String(8), nullable=False),
    Column("new", String(8), nullable=False),
    Column("cause", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("judged_at", Double, nullable=True),
)
Index(
    "ix_change_unjudged",
    change.c.id,
    sqlite_where=change.c.judged_at.is_(None),
    postgresql_where=change.c.judged_at.is_(None),
)
Index("ix_change_monitor_id_at", change.c.monitor_id, change.c.at)

incident = Table(
    "incident",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("group", Text, nullable=False),
    Column("dedup_key", String(255), nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("severity", String(8), nullable=False),
    Column("since", Double, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("resolved_at", Double, nullable=True),
    Column("acknowledged_at", Double, nullable=True),
    Column("acknowledged_by", Text, nullable=True),
    Column("suppressed", JSON, nullable=False),  # full names of monitors that this cause explains
)
Index(
    "uq_incident_open",
    incident.c.group,
    unique=True,
    sqlite_where=incident.c.resolved_at.is_(None),
    postgresql_where=incident.c.resolved_at.is_(None),
)

member = Table(
    "incident_member",
    metadata,
    Column("incident_id", _Id, ForeignKey("incident.id", ondelete="CASCADE"), primary_key=True),
    Column("monitor_id", _Id, ForeignKey("monitor.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, nullable=False),
    Column("state", String(8), nullable=False),
    Column("cause", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Double, nullable=False),
    Column("resolved_at", Double, nullable=True),
    Column("evidence", JSON, nullable=False),
)
Index("ix_incident_member_monitor_id", member.c.monitor_id)

outbox = Table(
    "outbox",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("incident_id", _Id, ForeignKey("incident.id", ondelete="CASCADE"), nullable=True),
    Column("channel", Text, nullable=False),
    Column(
        "dedup_key", String(255), nullable=False
    ),  # rows of one key and channel are sent in the order of their ids
    Column("event", String(8), nullable=False),
    Column("notification", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("not_before", Double, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lease_owner", String(64), nullable=True),
    Column("lease_until", Double, nullable=True),
    Column("lease_epoch", Integer, nullable=False, server_default="0"),
    Column("sent_at", Double, nullable=True),
    Column("gave_up_at", Double, nullable=True),
    Column("last_error", Text, nullable=True),
)
_waiting = outbox.c.sent_at.is_(None) & outbox.c.gave_up_at.is_(None)
Index("ix_outbox_waiting", outbox.c.channel, outbox.c.id, sqlite_where=_waiting, postgresql_where=_waiting)
Index(
    "ix_outbox_order",
    outbox.c.dedup_key,
    outbox.c.channel,
    outbox.c.id,
    sqlite_where=_waiting,
    postgresql_where=_waiting,
)
Index("ix_outbox_incident_id", outbox.c.incident_id)

channel_state = Table(
    "channel_state",
    metadata,
    Column("name", Text, primary_key=True),
    Column("broken_since", Double, nullable=True),  # the far side refused for good (401, 404, no such hook)
    Column("last_sent_at", Double, nullable=True),
    Column("last_error_at", Double, nullable=True),
    Column("last_error", Text, nullable=True),
)

channel_thread = Table(
    "channel_thread",  # where an incident was first told, as the far side names that message
    metadata,
    Column("channel", Text, primary_key=True),
    Column("dedup_key", String(255), primary_key=True),
    Column("post", Text, nullable=False),
    Column("at", Double, nullable=False),
)
Index("ix_channel_thread_at", channel_thread.c.at)

drill = Table(
    "drill",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("monitor_id", _Id, ForeignKey("monitor.id", ondelete="CASCADE"), nullable=False),
    Column("dedup_key", String(255), nullable=False),  # of its messages in the outbox
    Column("asked_at", Double, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("seen_at", Double, nullable=True),  # when the way from the app to the checker was proved
    Column("seen", Text, nullable=False),  # how that was seen, or why not
    Column("told_at", Double, nullable=True),  # when the last channel had delivered
    Column("told", JSON, nullable=False),  # channel -> "" or why it did not deliver
)
Index("ix_drill_monitor_id", drill.c.monitor_id, drill.c.id)

maintenance = Table(
    "maintenance",  # one-off windows, announced by the API; the recurring ones stand in the configuration
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    Column("start", Double, nullable=False),
    Column("end", Double, nullable=False),
    Column("monitors", JSON, nullable=False),  # names or patterns
    Column("description", Text, nullable=False),
    Column("created_at", Double, nullable=False),
)
Index("ix_maintenance_end", maintenance.c.end)

snooze = Table(
    "snooze",  # nobody is told of the monitor before `until`; the row goes once that was kept
    metadata,
    Column("monitor_id", _Id, ForeignKey("monitor.id", ondelete="CASCADE"), primary_key=True),
    Column("until", Double, nullable=False),
    Column("at", Double, nullable=False),
    Column("by", Text, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("name", String(64), primary_key=True),  # "assembler", ...
    Column("owner", String(64), nullable=False),
    Column(
        "epoch", Integer, nullable=False
    ),  # fences a zombie: it is in the WHERE of every write under the lease
    Column("until", Double, nullable=False),
)

news = Table(
    "news",  # a row a monitor that a node made, changed or removed, for the other nodes
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("monitor_id", _Id, nullable=False),  # 0: all are to be read anew
    Column("at", Double, nullable=False),
)

shared = Table(
    "shared",  # what all nodes should know, such as which configuration holds
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    Column("by", String(64), nullable=False),  # the node that said it
    Column("at", Double, nullable=False),
)

node = Table(
    "node",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("clean_stop", Boolean, nullable=False, server_default="0"),
)
