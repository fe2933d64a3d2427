drop table log.engine_leases;
