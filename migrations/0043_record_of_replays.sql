-- What a rebuild's record has to say when its build is gone, or when it was cut off and went on: the code it was made
-- with, whose rows alone it is about, the event that ended it, and how long it has worked, without the time in between.
-- depends: 0042_read_until
alter table views.replays add column version int;
alter table views.replays add column code_version text not null default '';
alter table views.replays add column book int;
alter table views.replays add column refused_at bigint;
alter table views.replays add column resumed_at timestamptz;
alter table views.replays add column worked_s float8 not null default 0;
update views.replays r set version = b.version, code_version = b.code_version
  from views.builds b where b.view = r.view and b.build = r.build;
create index replays_newest on views.replays (started_at desc, replay_id desc);
