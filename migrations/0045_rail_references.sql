-- Which attempt a rail means by a name; see projections/rail_references.py.
-- depends: 0043_record_of_replays
create table views.rail_references_v1 (
    stream_id             uuid not null,
    attempt               int not null,
    reference             text not null,
    book                  int,
    position              bigint,
    primary key (stream_id, attempt, reference)
);
create view views.rail_references as select * from views.rail_references_v1;
create index rail_references_found on views.rail_references_v1 (reference);
grant select, insert, update, delete on views.rail_references_v1, views.rail_references to daybook_app;
