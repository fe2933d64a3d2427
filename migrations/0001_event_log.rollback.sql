-- Takes the ledger itself away: only for a database that has never taken a payment. The role is the cluster's and stays.
drop schema log cascade;
