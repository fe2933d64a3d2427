-- Views of the ledger beside balances and entries: what was asked, reserved, watched, corrected and closed, and the sums
-- per effective day. An array has one number per line of the posting.
-- depends: 0010_views
create table views.wallet_days_v1 (
    wallet_id             uuid not null,
    day                   date not null,
    debit_minor           bigint,
    credit_minor          bigint,
    entries               int,
    primary key (wallet_id, day)
) with (fillfactor = 70);  -- today's row changes all day
create view views.wallet_days as select * from views.wallet_days_v1;

create table views.postings_v1 (
    posting_id            uuid not null,
    book                  int,
    reference             text,
    external_reference    text,
    rule                  text,
    state                 text,
    effective_at          timestamptz,
    recorded_at           timestamptz,
    wallet_ids            uuid[],
    amounts               bigint[],
    metadata              jsonb,
    reverts               uuid,
    reversals             uuid[],
    reverted              bigint[],
    refusal_code          text,
    position              bigint,
    primary key (posting_id)
);
create view views.postings as select * from views.postings_v1;
create index postings_listed on views.postings_v1 (book, recorded_at desc, posting_id desc);
create index postings_effective on views.postings_v1 (book, effective_at);
create index postings_by_external_reference on views.postings_v1 (book, external_reference)
    where external_reference is not null;
create index postings_by_wallet on views.postings_v1 using gin (wallet_ids);
create index postings_by_metadata on views.postings_v1 using gin (metadata jsonb_path_ops) where metadata <> '{}';

create table views.holds_v1 (
    hold_id               uuid not null,
    book                  int,
    reference             text,
    external_reference    text,
    state                 text,
    wallet_ids            uuid[],
    amounts               bigint[],
    remaining             bigint[],
    commits               uuid[],
    effective_at          timestamptz,
    recorded_at           timestamptz,
    expires_at            timestamptz,
    position              bigint,
    primary key (hold_id)
);
create view views.holds as select * from views.holds_v1;
create index holds_listed on views.holds_v1 (book, recorded_at desc, hold_id desc);
create index holds_expiring on views.holds_v1 (book, expires_at) where state in ('pending', 'partially_committed');
create index holds_by_wallet on views.holds_v1 using gin (wallet_ids);

create table views.monitors_v1 (
    monitor_id            uuid not null,
    book                  int,
    wallet_id             uuid,
    measure               text,
    threshold_minor       bigint,
    reference             text,
    side                  text,
    balance_minor         bigint,
    crossings             int,
    crossed_at            timestamptz,
    created_at            timestamptz,
    removed               boolean,
    position              bigint,
    primary key (monitor_id)
);
create view views.monitors as select * from views.monitors_v1;
create index monitors_listed on views.monitors_v1 (book, created_at desc, monitor_id desc);
create index monitors_by_wallet on views.monitors_v1 (wallet_id);

create table views.adjustments_v1 (
    stream_id             uuid not null,
    book                  int,
    adjustment_id         text,
    state                 text,
    reason                text,
    proposed_by           text,
    decided_by            text,
    rejection_reason      text,
    lines                 jsonb,
    metadata              jsonb,
    effective_at          timestamptz,
    proposed_at           timestamptz,
    decided_at            timestamptz,
    position              bigint,
    primary key (stream_id)
);
create view views.adjustments as select * from views.adjustments_v1;
create index adjustments_listed on views.adjustments_v1 (book, proposed_at desc, stream_id desc);

create table views.periods_v1 (
    book                  int not null,
    through               date not null,
    closed_at             timestamptz,
    position              bigint,
    primary key (book, through)
);
create view views.periods as select * from views.periods_v1;

grant select, insert, update, delete on all tables in schema views to daybook_app;
