-- The event log: one append-only table, one function that writes it, one horizon that readers stay below.
-- Why positions come from transaction ids and why the horizon is safe: docs/adr/0001-gap-free-append-without-a-table-lock.md.
create schema log;

create table log.events (
    position    bigint      primary key,
    book        int         not null,
    stream_id   uuid        not null,
    version     int         not null,
    topic       text        not null,
    recorded_at timestamptz not null default clock_timestamp(),
    meta        jsonb       not null,
    state       bytea       not null,
    constraint events_stream_version unique (stream_id, version)
);

-- How far each consumer has got; written in the transaction of the consumer's effect.
create table log.tracking (
    name     text   primary key,
    position bigint not null
);

-- At `marked_at` every event up to `position` was readable: turns a time into a position once and for all.
create table log.time_marks (
    marked_at timestamptz primary key,
    position  bigint      not null
);

-- Disposable: where a wallet stood after `version`, so that the engine starts without folding history.
create table log.wallet_snapshots (
    stream_id uuid   primary key,
    book      int    not null,
    version   int    not null,
    position  bigint not null,
    state     jsonb  not null
);

-- After a logical restore this is replaced by a function returning ((max(position) >> 20) + 1) << 20.
create function log.base() returns bigint language sql immutable parallel safe as 'select 0::bigint';

-- Declares the transaction a log writer: first the shared lock, then the transaction id. Must precede its first write.
create function log.open() returns xid8 language plpgsql security definer
    set search_path = pg_catalog, pg_temp as $b$
declare
    x xid8 := pg_current_xact_id_if_assigned();
begin
    if x is null then
        perform pg_advisory_xact_lock_shared(77, 1);
        x := pg_current_xact_id();
        perform set_config('daybook.log', x::text || ':0', true);  -- undone together with the lock by ROLLBACK TO SAVEPOINT
        if current_setting('synchronous_commit') = 'off' then
            perform set_config('synchronous_commit', 'on', true);  -- a follower must never see what a crash takes back
        end if;
    elsif split_part(current_setting('daybook.log', true), ':', 1) is distinct from x::text then
        raise exception 'log.open() must come before the first write of the transaction' using errcode = '25001';
    end if;
    return x;
end $b$;

-- Appends the events of several commands at once. Per event: its command (1-based), stream, version, topic, state and
-- context; per context: book and meta. A command of which any event's version is taken is refused as a whole and
-- named; the others are stored in the order given, at first_position, first_position + 1, ...
-- With a tracking name the consumer's position moves forward in the same transaction, or nothing is stored.
create function log.append(
    commands int[], streams uuid[], versions int[], topics text[], states bytea[],
    contexts int[], books int[], metas text[],
    tracking_name text default null, tracking_position bigint default null,
    out first_position bigint, out refused int[]
) language plpgsql security definer set search_path = pg_catalog, pg_temp
    -- Versions are looked up by key. A plan kept from when the table was empty would scan all of it at every append.
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $b$
declare
    late  boolean := pg_current_xact_id_if_assigned() is not null;
    x     bigint  := log.open()::text::bigint;
    n     int     := cardinality(commands);
    used  int     := split_part(current_setting('daybook.log', true), ':', 2)::int;
    start bigint  := log.base() + (x << 20);
begin
    if used + n > 1048576 then
        raise exception 'more than 2^20 events in one transaction' using errcode = '54000';
    end if;
    if late and exists (  -- else version n+1 could stand before version n in the log
        select from unnest(streams, versions) u(s, v)
          join log.events e on e.stream_id = u.s and e.version = u.v - 1 where e.position >= start + used)
    then
        raise exception 'stream moved on after this transaction got its id: retry in a new one' using errcode = '40001';
    end if;
    first_position := start + used;
    refused := '{}';
    if tracking_name is null then  -- else a version that is taken must refuse all of it, which the index does by itself
        select coalesce(array_agg(distinct u.c), '{}') into refused
          from unnest(commands, streams, versions) u(c, s, v)
         where exists (select from log.events e where e.stream_id = u.s and e.version = u.v);
    end if;
    insert into log.events (position, book, stream_id, version, topic, meta, state)
    select first_position + row_number() over (order by i) - 1, books[k], s, v, t, metas[k]::jsonb, b
      from unnest(commands, streams, versions, topics, states, contexts) with ordinality u(c, s, v, t, b, k, i)
     where c <> all (refused)
     order by i;
    get diagnostics n = row_count;
    perform set_config('daybook.log', x || ':' || used + n, true);
    if tracking_name is not null then
        insert into log.tracking as r values (tracking_name, tracking_position)
            on conflict (name) do update set position = excluded.position where r.position < excluded.position;
        if not found then
            raise exception 'tracking % has already reached %', tracking_name, tracking_position using errcode = '23505',
                constraint = 'tracking_moves_forward';
        end if;
    end if;
end $b$;

-- Every event below this that will ever exist is visible to the calling statement's snapshot, if committed.
-- STABLE is load-bearing: VOLATILE would take a younger snapshot than the statement that uses the answer.
create function log.horizon() returns bigint language plpgsql stable
    set search_path = pg_catalog, pg_temp as $b$
declare
    s pg_snapshot := pg_current_snapshot();
    h bigint := pg_snapshot_xmax(s)::text::bigint;
    m bigint;
begin
    if pg_is_in_recovery() then  -- a standby knows no list of running transactions: only xmin is right there
        h := pg_snapshot_xmin(s)::text::bigint;
    elsif pg_snapshot_xmin(s) <> pg_snapshot_xmax(s) then
        with l as materialized (  -- ONE atomic scan of the lock table
            select locktype = 'advisory' as writer, pid, transactionid as x from pg_locks
             where granted and (locktype = 'transactionid' and mode = 'ExclusiveLock'
                or locktype = 'advisory' and classid = 77 and objid = 1 and objsubid = 2
                   and database = (select oid from pg_database where datname = current_database()))),
        w as materialized (select coalesce(array_agg(pid), '{}') p from l where writer),
        -- Proved to be no writer: it runs now, without the lock. By pid: virtualtransaction is torn by a commit
        -- during the scan. A prepared transaction has no pid, is never proved, and lets nobody else be proved.
        alien as materialized (select x from l, w where not writer and pid is not null and pid <> all (p))
        select min(i::text::bigint) into m
          from (select pg_snapshot_xip(s) union all select pg_current_xact_id_if_assigned()) q(i)
         where i is not null and not exists (select from alien where x = i::xid);
        h := least(h, m);
    end if;
    return log.base() + (h << 20);
end $b$;

-- The application reads the log and appends through log.append alone; nobody but the owner can change a row.
-- A login without CREATEROLE can migrate once somebody has made the role.
do $b$ begin
    if not exists (select from pg_roles where rolname = 'daybook_app') then
        create role daybook_app nologin;
    end if;
exception when duplicate_object or unique_violation then null;
end $b$;
grant usage on schema log to daybook_app;
grant select on log.events to daybook_app;
grant select, insert, update on log.tracking, log.time_marks to daybook_app;
grant select, insert, update, delete on log.wallet_snapshots to daybook_app;
revoke all on function log.open(), log.append(int[], uuid[], int[], text[], bytea[], int[], int[], text[], text, bigint) from public;
grant execute on function log.open(), log.append(int[], uuid[], int[], text[], bytea[], int[], int[], text[], text, bigint) to daybook_app;
