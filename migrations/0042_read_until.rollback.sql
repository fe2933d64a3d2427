alter table views.builds drop column read_until;
