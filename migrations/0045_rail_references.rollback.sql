-- Views can be rebuilt from the log at any time.
drop view views.rail_references;
drop table views.rail_references_v1;
