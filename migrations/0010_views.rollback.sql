-- Views can be rebuilt from the log at any time.
drop schema views cascade;
