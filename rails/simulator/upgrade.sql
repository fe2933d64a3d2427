-- The books of the first simulator, taken over: they had neither methods nor movements, and every hold was a card's.
alter table authorisations rename to first_authorisations;
alter table captures rename to first_captures;
alter table replies rename to first_replies;
drop view shown_authorisations;
drop index authorisations_by_order;
drop index captures_by_authorisation;

-- SCHEMA

insert into authorisations (id, attempt_key, order_id, attempt, requested_minor, amount_minor, currency, payment_token,
    method, capture, status, captured_minor, cost_minor, released_minor, decline_code, decline_class, capture_before,
    created_at)
select id, attempt_key, order_id, attempt, amount_minor, amount_minor, currency, payment_token,
    'card', status = 'captured' and capture_before is null, status, captured_minor, cost_minor, released_minor,
    decline_code, decline_class, capture_before, created_at
from first_authorisations;

insert into captures (capture_key, authorisation_id, currency, requested_minor, amount_minor, cost_minor, status,
    decline_code, decline_class, final, created_at)
select capture_key, authorisation_id, currency, amount_minor, amount_minor, cost_minor, status,
    decline_code, decline_class, final, created_at
from first_captures;

insert into movements (kind, authorisation_id, capture_key, currency, gross_minor, fee_minor, booked_at, day)
select 'capture', id, attempt_key, currency, captured_minor, cost_minor, created_at, substr(created_at, 1, 10)
from authorisations where capture = 1 and status = 'captured'
union all
select 'capture', authorisation_id, capture_key, currency, amount_minor, cost_minor, created_at,
    substr(created_at, 1, 10)
from captures where status = 'captured';

insert into replies select * from first_replies;

drop table first_captures;
drop table first_authorisations;
drop table first_replies;
