-- Checkpoints as rows, the texts that they share, and what is left of those that were deleted.
--
-- Row level security guards against mistakes in queries, not against whoever holds a password: a reader can name any
-- tenant it likes. So the reader's password belongs to the API alone, which asks Kubernetes who may see what. Each role
-- has exactly one policy for a table: permissive policies add up, and a second one would open what the first closes.

CREATE TABLE workflow_checkpoints (
    id text PRIMARY KEY,                        -- checkpoint_<unix ms>_<suffix>: sorts by time
    execution_id text NOT NULL,                 -- UID of the execution
    name text NOT NULL,
    trigger text NOT NULL CONSTRAINT workflow_checkpoints_trigger_check CHECK (
        trigger IN ('manual', 'time-based', 'job-completed', 'level-completed', 'before-critical')
    ),
    state jsonb NOT NULL,                       -- the document, for queries; outputs and logs by digest
    job_configs jsonb NOT NULL,
    metadata jsonb,
    created_by text,
    created_at timestamptz NOT NULL DEFAULT now(),
    namespace text NOT NULL,
    namespace_uid text NOT NULL,                -- the tenant: a namespace made again under its name is another one
    execution_name text NOT NULL,
    object_name text NOT NULL,
    object_uid text NOT NULL,
    job_count integer NOT NULL,
    execution_status text NOT NULL,
    size_bytes bigint NOT NULL,
    digest text NOT NULL,
    state_digest text NOT NULL,
    parent_id text,
    parent_digest text,
    pinned boolean NOT NULL DEFAULT false,
    exact bytea,                                -- the document's bytes, compressed; only where jsonb would change them
    result_digests text[] NOT NULL DEFAULT '{}' -- the texts that the document names
);

CREATE INDEX idx_workflow_checkpoints_execution_id ON workflow_checkpoints (execution_id);
CREATE INDEX idx_workflow_checkpoints_created_at ON workflow_checkpoints (created_at DESC);
CREATE INDEX idx_workflow_checkpoints_trigger ON workflow_checkpoints (trigger);
CREATE INDEX idx_workflow_checkpoints_execution_created ON workflow_checkpoints (execution_id, created_at DESC);
CREATE INDEX idx_workflow_checkpoints_tenant_id ON workflow_checkpoints (namespace_uid, id DESC);

-- Outputs and log tails, once for each tenant, however many checkpoints name them.
CREATE TABLE workflow_results (
    namespace_uid text NOT NULL,
    digest text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (namespace_uid, digest)
);

-- What was deleted: so that a chain of digests tells deleted from missing, and a late write does not bring it back.
CREATE TABLE workflow_checkpoint_graves (
    id text PRIMARY KEY,
    namespace_uid text NOT NULL,
    execution_id text NOT NULL,
    digest text NOT NULL,
    parent_id text,
    parent_digest text,
    buried_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idx_workflow_checkpoint_graves_tenant ON workflow_checkpoint_graves (namespace_uid, buried_at DESC);

-- The tenants of this transaction, a JSON array in cairn.tenants; nobody where it is unset, empty or no such array.
CREATE FUNCTION cairn_tenants() RETURNS text[] LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN ARRAY(SELECT jsonb_array_elements_text(nullif(current_setting('cairn.tenants', true), '')::jsonb));
EXCEPTION WHEN OTHERS THEN
    RETURN '{}';
END
$$;

ALTER TABLE workflow_checkpoints ENABLE ROW LEVEL SECURITY;
ALTER TABLE workflow_checkpoints FORCE ROW LEVEL SECURITY;
ALTER TABLE workflow_results ENABLE ROW LEVEL SECURITY;
ALTER TABLE workflow_results FORCE ROW LEVEL SECURITY;
ALTER TABLE workflow_checkpoint_graves ENABLE ROW LEVEL SECURITY;
ALTER TABLE workflow_checkpoint_graves FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_all ON workflow_checkpoints TO cairn_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON workflow_results TO cairn_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON workflow_checkpoint_graves TO cairn_owner USING (true) WITH CHECK (true);

CREATE POLICY operator_all ON workflow_checkpoints TO cairn_operator USING (true) WITH CHECK (true);
CREATE POLICY operator_all ON workflow_results TO cairn_operator USING (true) WITH CHECK (true);
CREATE POLICY operator_all ON workflow_checkpoint_graves TO cairn_operator USING (true) WITH CHECK (true);

-- The sub-select is evaluated once a query, not once a row.
CREATE POLICY reader_tenants ON workflow_checkpoints FOR SELECT TO cairn_reader
    USING (namespace_uid = ANY ((SELECT cairn_tenants())::text[]));
CREATE POLICY reader_tenants ON workflow_results FOR SELECT TO cairn_reader
    USING (namespace_uid = ANY ((SELECT cairn_tenants())::text[]));
CREATE POLICY reader_tenants ON workflow_checkpoint_graves FOR SELECT TO cairn_reader
    USING (namespace_uid = ANY ((SELECT cairn_tenants())::text[]));

GRANT SELECT, INSERT, DELETE ON workflow_checkpoints, workflow_results, workflow_checkpoint_graves TO cairn_operator;
GRANT UPDATE (pinned) ON workflow_checkpoints TO cairn_operator;
GRANT SELECT ON workflow_checkpoints, workflow_results, workflow_checkpoint_graves TO cairn_reader;
GRANT SELECT ON schema_migrations TO cairn_operator, cairn_reader;
