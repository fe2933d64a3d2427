-- Up to where readers saw a build that was swapped out: what was paid out by it ends there, though it is kept up.
-- depends: 0041_past_builds
alter table views.builds add column read_until bigint;
