-- Which build of a view readers saw, and up to where: a row for each swap and rollback. The way back leads to the build
-- that the last of them replaced, and what was paid out by a build is what it showed while it was live.
-- depends: 0051_parts_by_last_byte
create table views.exchanges (
    exchange     bigint      primary key generated always as identity,
    view         text        not null,
    came         int         not null,
    went         int         not null,
    position     bigint      not null,
    exchanged_at timestamptz not null default clock_timestamp()
);
create index exchanges_of_view on views.exchanges (view, exchange);
insert into views.exchanges (view, came, went, position)
select k.view, l.build, k.build, k.read_until
  from views.builds k join views.builds l on l.view = k.view and l.state = 'live'
 where k.state = 'kept' and k.read_until is not null order by k.updated_at;
alter table views.builds drop column read_until;
-- The transaction since which a build has been where the live one was: no later snapshot finds it behind. Null where it
-- was never seen to be, or fell behind since.
alter table views.builds add column level_since xid8;

-- A number is never given twice: adjustments name the build by which something was paid wrongly.
create table views.build_numbers (
    view text primary key,
    last int  not null
);
insert into views.build_numbers (view, last)
select view, max(build) from (select view, build from views.builds union all select view, build from views.replays) b
 group by view;

alter table views.exchanges owner to daybook_app;
alter table views.build_numbers owner to daybook_app;
