-- Parts of a rebuild are told apart by the last byte of a stream's id, which an archive has at hand too. A rebuild that
-- was cut off before this cannot be gone on with: its parts were others. The next rebuild of the view begins anew.
-- depends: 0050_rails
update views.replays
   set state = 'failed', problem = 'begun by an earlier version, which divided streams otherwise',
       ended_at = clock_timestamp()
 where state in ('filling', 'finishing') and parts > 1;
