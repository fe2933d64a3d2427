-- A view has builds: one that is live, and others that are being filled, compared with it, or kept for a way back.
-- What the schema holds belongs to the application's role, which can thus make and swap builds; the log never does.
-- depends: 0030_ledger_views
alter table views.builds add column build int not null default 1;
alter table views.builds add column relation text;
update views.builds set relation = view || '_v' || version;
alter table views.builds alter column relation set not null;
alter table views.builds add column made_at timestamptz not null default clock_timestamp();
alter table views.builds drop constraint builds_pkey;
alter table views.builds add primary key (view, build);
alter table views.builds drop constraint builds_state_check;
alter table views.builds add check (state in ('filling', 'shadow', 'live', 'kept', 'past'));
create unique index builds_one_live on views.builds (view) where state = 'live';
create unique index builds_relation on views.builds (relation);

alter table views.parked add column build int not null default 1;
alter table views.parked drop constraint parked_pkey;
drop index views.parked_stream;
alter table views.parked drop column version;
alter table views.parked add primary key (view, build, position);
create index parked_stream on views.parked (view, build, stream_id) where discarded is null;

-- A rebuild under way or done: what it was asked for, and how far each of its parts has come. A part is the streams
-- that hash to it; its position moves in the transaction that writes its rows.
create table views.replays (
    replay_id  uuid        primary key,
    view       text        not null,
    build      int         not null,
    until      bigint      not null,
    parts      int         not null check (parts between 1 and 64),
    scope      jsonb       not null default '{}',
    state      text        not null check (state in ('filling', 'finishing', 'following', 'done', 'failed')),
    problem    text,
    started_at timestamptz not null default clock_timestamp(),
    ended_at   timestamptz
);
create table views.replay_parts (
    replay_id  uuid        not null references views.replays on delete cascade,
    part       int         not null,
    position   bigint      not null default 0,
    events     bigint      not null default 0,
    relation   text        not null,
    started_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    primary key (replay_id, part)
);

do $$
declare
    found record;
begin
    for found in
        select c.relname, c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = 'views' and c.relkind in ('r', 'v')
    loop
        execute format('alter %s views.%I owner to daybook_app',
                       case found.relkind when 'v' then 'view' else 'table' end, found.relname);
    end loop;
end $$;
grant create on schema views to daybook_app;

-- Sessions whose snapshot may be older than a transaction: to them a build that was filled since is empty. The
-- snapshots of others are hidden from the application's role, so this looks as its owner does.
create function views.older_snapshots(than xid8) returns int[] language sql stable security definer
    set search_path = pg_catalog, pg_temp as $b$
    select coalesce(array_agg(pid order by pid), '{}') from pg_stat_activity
     where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
       and backend_xmin is not null and age(backend_xmin) >= age((than::text::bigint % 4294967296)::text::xid)
$b$;
revoke all on function views.older_snapshots(xid8) from public;
grant execute on function views.older_snapshots(xid8) to daybook_app;
