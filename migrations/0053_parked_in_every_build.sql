-- An event that was given up for a view stays so in every build that comes after, unless somebody wants it tried again.
-- What a checkpoint of the past holds back was marked as given up, which is now a person's decision alone.
-- depends: 0052_exchanges
alter table views.parked add column try_again boolean not null default false;
update views.parked set discarded = null where discarded = 'left out of a build of the past';
