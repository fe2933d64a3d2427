-- How rails are doing, as the payment process measures it, for the processes that show it: a row per rail, overwritten.
-- It is measurement and no history: nothing is derived from it, and it may be emptied at any time.
-- depends: 0045_rail_references
create schema rails;
create table rails.health (
    rail         text        primary key,
    reported_at  timestamptz not null default clock_timestamp(),
    capabilities jsonb       not null,
    operations   jsonb       not null
);
grant usage on schema rails to daybook_app;
grant select, insert, update, delete on rails.health to daybook_app;
