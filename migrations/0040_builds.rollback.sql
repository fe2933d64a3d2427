-- Views can be rebuilt from the log at any time; builds that are not the first of their version go.
do $$
declare
    found record;
begin
    for found in
        select c.relname, c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = 'views' and c.relkind in ('r', 'v')
    loop
        execute format('alter %s views.%I owner to current_user',
                       case found.relkind when 'v' then 'view' else 'table' end, found.relname);
    end loop;
    for found in select view, relation, version from views.builds where relation <> view || '_v' || version loop
        execute format('drop table if exists views.%I cascade', found.relation);
    end loop;
end $$;
drop function views.older_snapshots(xid8);
revoke create on schema views from daybook_app;
drop table views.replay_parts;
drop table views.replays;
delete from views.parked;
drop index views.parked_stream;
alter table views.parked drop constraint parked_pkey;
alter table views.parked drop column build;
alter table views.parked add column version int not null;
alter table views.parked add primary key (view, version, position);
create index parked_stream on views.parked (view, version, stream_id) where discarded is null;
delete from views.builds;
drop index views.builds_one_live;
drop index views.builds_relation;
alter table views.builds drop constraint builds_state_check;
alter table views.builds add check (state in ('live', 'shadow'));
alter table views.builds drop constraint builds_pkey;
alter table views.builds drop column build;
alter table views.builds drop column relation;
alter table views.builds drop column made_at;
alter table views.builds add primary key (view, version);
