drop index views.replays_newest;
alter table views.replays drop column worked_s;
alter table views.replays drop column resumed_at;
alter table views.replays drop column refused_at;
alter table views.replays drop column book;
alter table views.replays drop column code_version;
alter table views.replays drop column version;
