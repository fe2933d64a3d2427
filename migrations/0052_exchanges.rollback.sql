drop table views.build_numbers;
alter table views.builds drop column level_since;
alter table views.builds add column read_until bigint;
update views.builds b set read_until = (
    select e.position from views.exchanges e where e.view = b.view and e.went = b.build order by e.exchange desc limit 1)
 where b.state = 'kept';
drop table views.exchanges;
