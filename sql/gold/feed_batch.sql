-- Batches that count: of a landed file and its replays only the newest.
WITH numbered AS (
  SELECT
    batch_id,
    COALESCE(source_batch_id, batch_id) AS first_batch_id,
    feed,
    delivered_at,
    committed_at,
    read,
    accepted,
    rejected,
    duplicate,
    superseded,
    dropped,
    live,
    score,
    ROW_NUMBER() OVER (
      PARTITION BY COALESCE(source_batch_id, batch_id)
      ORDER BY committed_at DESC, batch_id DESC
    ) AS position
  FROM ops.batch
  WHERE committed_at < :cut_off_at
)
SELECT
  first_batch_id,
  batch_id,
  feed,
  delivered_at,
  committed_at,
  read AS read_cnt,
  accepted AS accepted_cnt,
  rejected AS rejected_cnt,
  duplicate AS duplicate_cnt,
  superseded AS superseded_cnt,
  dropped AS dropped_cnt,
  live AS live_cnt,
  score
FROM numbered
WHERE position = 1
ORDER BY first_batch_id
