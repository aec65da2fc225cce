-- Batches that count: of a landed file only what its newest processing made of it. A replay of some
-- rows stands on the processing of the whole file before it, and takes its rows' places there.
WITH spans AS (
  SELECT
    batch_id,
    first_batch_id,
    generation,
    is_whole,
    is_newest
  FROM gold.quality_span
),
newest AS (
  SELECT
    batch_id,
    first_batch_id,
    generation
  FROM spans
  WHERE is_newest
),
members AS (
  SELECT
    newest.batch_id AS newest_batch_id,
    spans.batch_id,
    spans.is_whole
  FROM newest
  INNER JOIN spans
    ON spans.first_batch_id = newest.first_batch_id
    AND spans.generation = newest.generation
),
summed AS (
  SELECT
    members.newest_batch_id,
    CAST(SUM(CASE WHEN members.is_whole THEN batches.read ELSE 0 END) AS BIGINT) AS read_cnt,
    CAST(SUM(batches.accepted) AS BIGINT) AS accepted_cnt,
    CAST(SUM(batches.rejected - COALESCE(batches.replaced, 0)) AS BIGINT) AS rejected_cnt,
    CAST(SUM(batches.duplicate) AS BIGINT) AS duplicate_cnt,
    CAST(SUM(batches.superseded) AS BIGINT) AS superseded_cnt,
    CAST(SUM(batches.dropped) AS BIGINT) AS dropped_cnt
  FROM members
  INNER JOIN ops.batch AS batches ON batches.batch_id = members.batch_id
  GROUP BY members.newest_batch_id
)
SELECT
  newest.first_batch_id,
  newest.batch_id,
  batches.feed,
  batches.delivered_at,
  batches.committed_at,
  summed.read_cnt,
  summed.accepted_cnt,
  summed.rejected_cnt,
  summed.duplicate_cnt,
  summed.superseded_cnt,
  summed.dropped_cnt,
  batches.live AS live_cnt
FROM newest
INNER JOIN summed ON summed.newest_batch_id = newest.batch_id
INNER JOIN ops.batch AS batches ON batches.batch_id = newest.batch_id
ORDER BY first_batch_id
