-- Views can be rebuilt from the log at any time.
drop view views.wallet_days;
drop table views.wallet_days_v1;
drop view views.postings;
drop table views.postings_v1;
drop view views.holds;
drop table views.holds_v1;
drop view views.monitors;
drop table views.monitors_v1;
drop view views.adjustments;
drop table views.adjustments_v1;
drop view views.periods;
drop table views.periods_v1;
