-- Builds of the past that questions about then have left behind, so that the next question finds one near: when it was
-- asked for last. Null for builds that people asked for, which are never dropped by themselves.
-- depends: 0040_builds
alter table views.builds add column asked_at timestamptz;
