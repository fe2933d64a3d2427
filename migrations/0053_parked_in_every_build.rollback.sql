update views.parked p set discarded = 'left out of a build of the past'
  from views.builds b where b.view = p.view and b.build = p.build and b.asked_at is not null;
alter table views.parked drop column try_again;
