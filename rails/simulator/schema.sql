-- The payment service provider: what it holds and what it took.
create table authorisations (
    id text primary key,
    attempt_key text not null unique,
    order_id text not null,
    attempt integer not null,
    requested_minor integer not null,
    amount_minor integer not null check (amount_minor > 0),
    currency text not null,
    payment_token text not null,
    method text not null,
    capture integer not null,
    status text not null
        check (status in ('requires_action', 'authorised', 'captured', 'declined', 'voided', 'expired')),
    captured_minor integer not null default 0,
    cost_minor integer not null default 0,
    released_minor integer not null default 0,
    decline_code text,
    decline_class text,
    capture_before text,
    action_expires_at text,
    authentication text,
    return_url text,
    late_at text,
    created_at text not null,
    check (captured_minor + released_minor <= amount_minor)
) strict;

create index authorisations_by_order on authorisations (order_id);
create index holds_by_end on authorisations (capture_before) where status = 'authorised';
create index challenges_by_end on authorisations (action_expires_at) where status = 'requires_action';
create index declines_to_turn on authorisations (late_at) where status = 'declined' and late_at is not null;

create table captures (
    capture_key text primary key,
    authorisation_id text not null references authorisations (id),
    currency text not null,
    requested_minor integer not null,
    amount_minor integer not null check (amount_minor > 0),
    cost_minor integer not null,
    status text not null check (status in ('captured', 'declined')),
    decline_code text,
    decline_class text,
    final integer not null,
    late_at text,
    created_at text not null
) strict;

create index captures_by_authorisation on captures (authorisation_id);
create index captures_to_turn on captures (late_at) where status = 'declined' and late_at is not null;

create view shown_authorisations as
select id, attempt_key, order_id, attempt, requested_minor, amount_minor, currency, method, status, captured_minor,
    cost_minor, released_minor, decline_code, decline_class, capture_before, action_expires_at, authentication,
    created_at
from authorisations;

-- One row per idempotency key, written in the transaction of its effect. The key's operation is part of the
-- fingerprint, so that a key used for an authorisation cannot be used again for a capture.
create table replies (
    key text primary key,
    fingerprint blob not null,
    status integer not null,
    body text not null
) strict, without rowid;

-- Money that reached the provider, a row each time; refunds, once there are any, are rows with a negative gross.
create table movements (
    number integer primary key autoincrement,
    kind text not null check (kind in ('capture', 'refund')),
    authorisation_id text not null references authorisations (id),
    capture_key text not null,
    currency text not null,
    gross_minor integer not null,
    fee_minor integer not null,
    booked_at text not null,
    day text not null
) strict;

create index movements_by_day on movements (day);

-- One per day and currency in which money moved, written when the day is over.
create table batches (
    batch_id text primary key,
    day text not null,
    currency text not null,
    movements integer not null,
    gross_minor integer not null,
    fee_minor integer not null,
    carried_in_minor integer not null,
    carried_out_minor integer not null,
    payout_minor integer not null,
    iban text,
    value_day text,
    entry integer,
    check (carried_in_minor + gross_minor - fee_minor = payout_minor + carried_out_minor)
) strict;

create index batches_by_day on batches (day);
create index payouts_to_book on batches (value_day) where entry is null and payout_minor > 0;

-- The merchant's bank.
create table accounts (
    iban text primary key,
    currency text not null,
    name text not null,
    opening_minor integer not null,
    opened_on text not null
) strict;

create table entries (
    number integer primary key autoincrement,
    iban text not null references accounts (iban),
    reference text not null unique,
    amount_minor integer not null check (amount_minor <> 0),
    currency text not null,
    kind text not null,
    booked_at text not null,
    booked_on text not null,
    value_on text not null,
    message_id text,
    payment_information_id text,
    transactions integer not null
) strict;

create index entries_by_account on entries (iban, booked_on);

create table details (
    entry integer not null references entries (number),
    place integer not null,
    amount_minor integer not null,
    end_to_end_id text not null,
    instruction_id text,
    mandate_id text,
    name text,
    iban text,
    remittance text,
    return_reason text,
    primary key (entry, place)
) strict, without rowid;

create table direct_debits (
    number integer primary key autoincrement,
    message_id text not null,
    payment_information_id text not null,
    end_to_end_id text not null,
    instruction_id text,
    iban text not null,
    creditor_name text not null,
    mandate_id text not null,
    local_instrument text not null,
    batch_booking integer not null,
    debtor_iban text not null,
    debtor_name text not null,
    amount_minor integer not null,
    currency text not null,
    remittance text,
    status text not null check (status in ('accepted', 'rejected', 'booked', 'returned')),
    reason text,
    submitted_at text not null,
    book_on text,
    entry integer,
    return_reason text,
    return_on text,
    return_entry integer
) strict;

create index direct_debits_by_end_to_end_id on direct_debits (end_to_end_id);
create index direct_debits_to_book on direct_debits (book_on) where status = 'accepted';
create index direct_debits_to_return on direct_debits (return_on) where status = 'booked' and return_on is not null;

create table messages (
    message_id text primary key,
    fingerprint blob not null,
    report text not null
) strict, without rowid;

-- What is set from outside, and how often what was asked for has been played.
create table settings (
    name text primary key,
    body text not null
) strict, without rowid;

create table played (
    operation text not null,
    fault text not null,
    times integer not null,
    primary key (operation, fault)
) strict, without rowid;

-- How often a key was tried: a planned fault depends on it, also after a restart.
create table tries (
    operation text not null,
    key text not null,
    times integer not null,
    primary key (operation, key)
) strict, without rowid;
