-- Where to reach the engine that owns a book. A hint for clients and operators only: what keeps a second writer out is
-- the advisory lock that the engine holds on the very connection it writes with.
-- depends: 0001_event_log
create table log.engine_leases (
    book        int         primary key,
    socket_path text        not null,
    owner       text        not null,
    since       timestamptz not null default clock_timestamp()
);
grant select, insert, update, delete on log.engine_leases to daybook_app;
