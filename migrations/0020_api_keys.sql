-- depends:

-- API keys. Only the SHA-256 of a key is kept: 256 random bits need no slow hash, and a stolen table opens nothing.
-- This is configuration, not history of money: rows may be revoked, never deleted.
CREATE TABLE api_keys (
    key_id      uuid PRIMARY KEY,
    hash        bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    book        integer NOT NULL,
    role        text NOT NULL CHECK (role IN ('merchant', 'operator', 'auditor', 'admin')),
    merchant_id text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    revoked_at  timestamptz,
    CONSTRAINT a_merchant_key_names_its_merchant CHECK ((role = 'merchant') = (merchant_id IS NOT NULL))
);
