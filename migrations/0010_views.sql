-- Tables of the views. Each build has a table of its own, `<view>_v<version>`; readers use the plain view of the same
-- name, so that a rebuilt table can be swapped in behind their backs. All of it can be thrown away and rebuilt.
create schema views;

-- Which builds there are and how far each has read the log; moved in the transaction that writes the rows.
create table views.builds (
    view         text        not null,
    version      int         not null,
    state        text        not null check (state in ('live', 'shadow')),
    policy       text        not null default 'stop' check (policy in ('stop', 'park')),
    position     bigint      not null default 0,
    code_version text        not null default '',
    updated_at   timestamptz not null default clock_timestamp(),
    primary key (view, version)
);

-- Events that a view could not take, and those of the same stream that wait behind them, in order.
create table views.parked (
    view       text        not null,
    version    int         not null,
    position   bigint      not null,
    stream_id  uuid        not null,
    topic      text        not null,
    reason     text        not null,
    parked_at  timestamptz not null default clock_timestamp(),
    discarded  text,
    primary key (view, version, position)
);
create index parked_stream on views.parked (view, version, stream_id) where discarded is null;

create table views.balances_v1 (
    wallet_id             uuid not null,
    book                  int,
    address               text collate "C",  -- so that an index serves patterns of addresses, whatever the database's collation
    currency              text,
    account_kind          text,
    merchant_id           text,
    overdraft_limit_minor bigint,
    posted_minor          bigint,
    held_minor            bigint,
    frozen                boolean,
    closed                boolean,
    metadata              jsonb,
    version               int,
    position              bigint,
    primary key (wallet_id)
) with (fillfactor = 70);  -- room for the next numbers of a wallet beside the old ones
create view views.balances as select * from views.balances_v1;

create table views.due_v1 (
    stream_id             uuid not null,
    kind                  text not null,
    key                   text not null,
    book                  int,
    due_at                timestamptz,
    position              bigint,
    primary key (stream_id, kind, key)
);
create view views.due as select * from views.due_v1;

create table views.order_differences_v1 (
    stream_id             uuid not null,
    book                  int,
    order_id              text,
    merchant_id           text,
    currency              text,
    due_minor             bigint,
    captured_minor        bigint,
    captures              int,
    position              bigint,
    primary key (stream_id)
);
create view views.order_differences as select *, captured_minor - due_minor as difference_minor from views.order_differences_v1 where captured_minor <> due_minor and captured_minor > 0;

create table views.payment_orders_v1 (
    stream_id             uuid not null,
    book                  int,
    order_id              text,
    merchant_id           text,
    status                text,
    amount_minor          bigint,
    currency              text,
    authorized_minor      bigint,
    captured_minor        bigint,
    released_minor        bigint,
    cost_minor            bigint,
    attempts              int,
    reference             text,
    created_at            timestamptz,
    updated_at            timestamptz,
    position              bigint,
    folded                text,
    primary key (stream_id)
);
create view views.payment_orders as select * from views.payment_orders_v1;

create table views.trial_balance_v1 (
    book                  int not null,
    currency              text not null,
    address               text not null,
    account_kind          text,
    debit_minor           bigint,
    credit_minor          bigint,
    lines                 bigint,
    position              bigint,
    primary key (book, currency, address)
);
create view views.trial_balance as select * from views.trial_balance_v1;

create table views.wallet_entries_v1 (
    wallet_id             uuid not null,
    position              bigint not null,
    version               int,
    book                  int,
    posting_id            uuid,
    line                  int,
    amount_minor          bigint,
    held_minor            bigint,
    posted_after          bigint,
    held_after            bigint,
    effective_at          timestamptz,
    recorded_at           timestamptz,
    primary key (wallet_id, position)
);
create view views.wallet_entries as select * from views.wallet_entries_v1;

create index payment_orders_listed on views.payment_orders_v1 (book, created_at desc, order_id desc);
create unique index payment_orders_by_order on views.payment_orders_v1 (book, order_id);
create unique index balances_by_address on views.balances_v1 (book, address, currency);
create index balances_by_merchant on views.balances_v1 (book, merchant_id) where merchant_id is not null;
create index balances_by_metadata on views.balances_v1 using gin (metadata jsonb_path_ops) where metadata <> '{}';
-- With the amount, so that the entries of a day are added up without a look at each row, wherever back-dating put it.
create index wallet_entries_effective on views.wallet_entries_v1 (wallet_id, effective_at, position)
    include (amount_minor) where effective_at is not null;
create index due_next on views.due_v1 (due_at);
create index order_differences_found on views.order_differences_v1 (book, order_id) where captured_minor <> due_minor;

grant usage on schema views to daybook_app;
grant select, insert, update, delete on all tables in schema views to daybook_app;
