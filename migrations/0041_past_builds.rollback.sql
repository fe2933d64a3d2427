alter table views.builds drop column asked_at;
