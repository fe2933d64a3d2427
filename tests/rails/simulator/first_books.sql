create table if not exists authorisations (
    id text primary key,
    attempt_key text not null unique,
    order_id text not null,
    attempt integer not null,
    amount_minor integer not null check (amount_minor > 0),
    currency text not null,
    payment_token text not null,
    status text not null check (status in ('authorised', 'captured', 'declined', 'voided')),
    captured_minor integer not null default 0,
    cost_minor integer not null default 0,
    released_minor integer not null default 0,
    decline_code text,
    decline_class text,
    capture_before text,
    created_at text not null,
    check (captured_minor + released_minor <= amount_minor)
) strict;

create index if not exists authorisations_by_order on authorisations (order_id);

create table if not exists captures (
    capture_key text primary key,
    authorisation_id text not null references authorisations (id),
    currency text not null,
    amount_minor integer not null check (amount_minor > 0),
    cost_minor integer not null,
    status text not null check (status in ('captured', 'declined')),
    decline_code text,
    decline_class text,
    final integer not null,
    created_at text not null
) strict;

create view if not exists shown_authorisations as
select id, attempt_key, order_id, attempt, amount_minor, currency, status, captured_minor, cost_minor, released_minor,
    decline_code, decline_class, capture_before, created_at
from authorisations;

create index if not exists captures_by_authorisation on captures (authorisation_id);

-- One row per idempotency key, written in the transaction of its effect. The key's operation is part of the
-- fingerprint, so that a key used for an authorisation cannot be used again for a capture.
create table if not exists replies (
    key text primary key,
    fingerprint blob not null,
    status integer not null,
    body text not null
) strict, without rowid;

insert into authorisations values ('au_paid', 'paid', 'order-1', 1, 2500, 'EUR', 'tok_visa', 'captured', 2500, 60, 0,
    null, null, null, '2026-03-01T09:00:00+00:00');
insert into authorisations values ('au_held', 'held', 'order-2', 1, 1000, 'EUR', 'tok_visa', 'authorised', 300, 29, 0,
    null, null, '2099-03-08T09:00:00+00:00', '2026-03-01T09:00:00+00:00');
insert into captures values ('part', 'au_held', 'EUR', 300, 29, 'captured', null, null, 0, '2026-03-01T09:00:01+00:00');
insert into replies values ('paid', X'FF4A4D30ED32C113C3CB8EBC1FF03936D3E508D80AEE8FE38EFAB25B944B63FE', 201, '{"as": "it was"}');
