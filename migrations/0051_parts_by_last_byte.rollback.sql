-- The other way round the same holds: parts that were begun since would be gone on with by another rule.
update views.replays
   set state = 'failed', problem = 'begun by an earlier version, which divided streams otherwise',
       ended_at = clock_timestamp()
 where state in ('filling', 'finishing') and parts > 1;
