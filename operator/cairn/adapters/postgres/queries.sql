-- Every query of the store. A section begins with its name and ends with the next one.

-- name: tenants --
-- Whose rows this transaction may see, where row level security judges (the reader).
SELECT set_config('cairn.tenants', %(tenants)s, true)

-- name: lock_put --
-- Shared with other puts of the tenant, so that no text is collected meanwhile; alone with whoever means the same id.
SELECT pg_advisory_xact_lock_shared(hashtextextended('cairn results ' || %(namespace_uid)s, 0)),
       pg_advisory_xact_lock(hashtextextended('cairn checkpoint ' || %(id)s, 0))

-- name: lock_id --
SELECT pg_advisory_xact_lock(hashtextextended('cairn checkpoint ' || %(id)s, 0))

-- name: lock_collect --
SELECT pg_advisory_xact_lock(hashtextextended('cairn results ' || %(namespace_uid)s, 0))

-- name: known_results --
SELECT digest FROM workflow_results WHERE namespace_uid = %(namespace_uid)s AND digest = ANY (%(digests)s)

-- name: put_results --
INSERT INTO workflow_results (namespace_uid, digest, body)
SELECT %(namespace_uid)s, given.digest, given.body
FROM unnest(%(digests)s::text[], %(bodies)b::bytea[]) AS given (digest, body)
ON CONFLICT DO NOTHING

-- name: put --
-- A fact: written once, never changed. What was deleted does not come back by a late write.
INSERT INTO workflow_checkpoints (
    id, execution_id, name, trigger, state, job_configs, metadata, created_by, created_at, namespace, namespace_uid,
    execution_name, object_name, object_uid, job_count, execution_status, size_bytes, digest, state_digest, parent_id,
    parent_digest, pinned, exact, result_digests
)
SELECT
    %(id)s, %(execution_id)s, %(name)s, %(trigger)s, %(state)s::jsonb, coalesce(%(state)s::jsonb -> 'jobConfigs', '[]'),
    %(metadata)s::jsonb, %(created_by)s, %(created_at)s, %(namespace)s, %(namespace_uid)s, %(execution_name)s,
    %(object_name)s, %(object_uid)s, %(job_count)s, %(execution_status)s, %(size_bytes)s, %(digest)s,
    %(state_digest)s, %(parent_id)s, %(parent_digest)s, %(pinned)s, %(exact)b, %(digests)s
WHERE NOT EXISTS (SELECT FROM workflow_checkpoint_graves WHERE id = %(id)s)
ON CONFLICT (id) DO NOTHING
RETURNING id

-- name: whose --
SELECT namespace_uid, digest FROM workflow_checkpoints WHERE id = %(id)s

-- name: get --
SELECT id, execution_id, name, trigger, metadata, created_by, created_at, namespace, namespace_uid, execution_name,
    object_name, object_uid, job_count, execution_status, size_bytes, digest, state_digest, parent_id, parent_digest,
    pinned, state, exact
FROM workflow_checkpoints
WHERE id = %(id)s AND namespace_uid = ANY (%(tenants)s)

-- name: get_results --
SELECT result.digest, result.body
FROM workflow_checkpoints AS checkpoint
JOIN workflow_results AS result
    ON result.namespace_uid = checkpoint.namespace_uid AND result.digest = ANY (checkpoint.result_digests)
WHERE checkpoint.id = %(id)s AND checkpoint.namespace_uid = ANY (%(tenants)s)

-- name: list --
-- Tenant by tenant, so that each is read along its index from the newest on, however many rows others have.
SELECT found.*
FROM unnest(%(tenants)s::text[]) AS tenant (uid)
CROSS JOIN LATERAL (
    SELECT id, execution_id, name, trigger, metadata, created_by, created_at, namespace, namespace_uid, execution_name,
        object_name, object_uid, job_count, execution_status, size_bytes, digest, state_digest, parent_id,
        parent_digest, pinned
    FROM workflow_checkpoints
    WHERE namespace_uid = tenant.uid
        AND (%(execution_uid)s::text IS NULL OR execution_id = %(execution_uid)s)
        AND (%(execution)s::text IS NULL OR execution_name = %(execution)s)
        AND (%(trigger)s::text IS NULL OR trigger = %(trigger)s)
        AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
        AND (%(after)s::text IS NULL OR id < %(after)s)
    ORDER BY id DESC
    LIMIT %(limit)s::integer + %(offset)s::integer
) AS found
ORDER BY found.id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- name: stats --
SELECT trigger, count(*) AS total, min(created_at) AS oldest, max(created_at) AS newest, sum(size_bytes) AS bytes
FROM workflow_checkpoints
WHERE namespace_uid = ANY (%(tenants)s) AND (%(execution_uid)s::text IS NULL OR execution_id = %(execution_uid)s)
GROUP BY trigger

-- name: pin --
UPDATE workflow_checkpoints SET pinned = %(pinned)s WHERE id = %(id)s AND namespace_uid = ANY (%(tenants)s)

-- name: delete --
-- The grave and the end of the row are one.
WITH gone AS (
    DELETE FROM workflow_checkpoints WHERE id = %(id)s AND namespace_uid = ANY (%(tenants)s)
    RETURNING id, namespace_uid, execution_id, digest, parent_id, parent_digest
)
INSERT INTO workflow_checkpoint_graves (id, namespace_uid, execution_id, digest, parent_id, parent_digest)
SELECT id, namespace_uid, execution_id, digest, parent_id, parent_digest FROM gone
ON CONFLICT (id) DO NOTHING
RETURNING id

-- name: bury --
WITH gone AS (DELETE FROM workflow_checkpoints WHERE id = %(id)s AND namespace_uid = %(namespace_uid)s)
INSERT INTO workflow_checkpoint_graves (id, namespace_uid, execution_id, digest, parent_id, parent_digest)
VALUES (%(id)s, %(namespace_uid)s, %(execution_uid)s, %(digest)s, %(parent_id)s, %(parent_digest)s)
ON CONFLICT (id) DO NOTHING

-- name: graves --
SELECT id, namespace_uid, execution_id, digest, parent_id, parent_digest
FROM workflow_checkpoint_graves
WHERE namespace_uid = ANY (%(tenants)s) AND (execution_id = %(execution_uid)s::text OR id = ANY (%(ids)s))
ORDER BY id DESC

-- name: newest_grave --
SELECT max(buried_at) AS at FROM workflow_checkpoint_graves WHERE namespace_uid = %(namespace_uid)s

-- name: collect --
WITH live AS (
    SELECT DISTINCT unnest(result_digests) AS digest FROM workflow_checkpoints
    WHERE namespace_uid = %(namespace_uid)s
)
DELETE FROM workflow_results AS result
WHERE result.namespace_uid = %(namespace_uid)s
    AND NOT EXISTS (SELECT FROM live WHERE live.digest = result.digest)

-- name: collect_graves --
-- A grave is for the chain of an execution; a month after the last one of the chain has gone nobody asks any more.
DELETE FROM workflow_checkpoint_graves AS grave
WHERE grave.namespace_uid = %(namespace_uid)s AND grave.buried_at < now() - interval '30 days'
    AND NOT EXISTS (SELECT FROM workflow_checkpoints WHERE execution_id = grave.execution_id)

-- name: applied --
SELECT name, checksum FROM schema_migrations ORDER BY name
