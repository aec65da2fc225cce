WITH promised AS (
  SELECT
    feed,
    sla_every * CASE sla_unit
      WHEN 'd' THEN 1
      WHEN 'w' THEN 7
      WHEN 'm' THEN 31
      WHEN 'q' THEN 92
      ELSE 366
    END AS cycle_days
  FROM ops.feed
),
delivered AS (
  SELECT
    feed,
    MAX(received_at) AS last_update_at
  FROM ops.delivery
  WHERE received_at < :cut_off_at
    AND outcome IN ('merged', 'unchanged')
  GROUP BY feed
),
batches AS (
  SELECT
    feed,
    COUNT(*) AS batch_cnt,
    CAST(SUM(read_cnt) - SUM(dropped_cnt) AS BIGINT) AS checked_cnt,
    CAST(SUM(read_cnt) - SUM(dropped_cnt) - SUM(rejected_cnt) AS BIGINT) AS valid_cnt
  FROM gold.feed_batch
  GROUP BY feed
),
newest AS (
  SELECT
    feed,
    score,
    rejected_cnt,
    ROW_NUMBER() OVER (PARTITION BY feed ORDER BY delivered_at DESC, first_batch_id DESC)
      AS recency
  FROM gold.feed_batch
),
held AS (
  SELECT
    feed,
    live_cnt,
    ROW_NUMBER() OVER (
      PARTITION BY feed
      ORDER BY committed_at DESC, delivered_at DESC, first_batch_id DESC
    ) AS recency
  FROM gold.feed_batch
),
executed AS (
  SELECT
    task AS feed,
    CAST(SUM(read) AS BIGINT) AS period_row_cnt
  FROM ops.task_run
  WHERE kind = 'feed'
    AND day = :day
    AND finished_at < :cut_off_at
  GROUP BY task
)
SELECT
  feeds.feed,
  feeds.catalogue_code,
  feeds.title,
  feeds.department_code,
  feeds.department_name,
  feeds.share_type,
  feeds.update_cycle,
  feeds.column_cnt,
  delivered.feed IS NOT NULL AS is_mounted,
  delivered.last_update_at,
  COALESCE(
    delivered.last_update_at + promised.cycle_days * INTERVAL '1' DAY >= :cut_off_at,
    FALSE
  ) AS is_on_time,
  COALESCE(batches.batch_cnt, 0) AS batch_cnt,
  COALESCE(held.live_cnt, 0) AS row_cnt,
  COALESCE(executed.period_row_cnt, 0) AS period_row_cnt,
  COALESCE(batches.checked_cnt, 0) AS checked_cnt,
  COALESCE(batches.valid_cnt, 0) AS valid_cnt,
  CAST(
    (20000 * batches.valid_cnt + batches.checked_cnt) // NULLIF(2 * batches.checked_cnt, 0) * 0.01
    AS DECIMAL(7, 2)
  ) AS valid_pct,
  newest.score,
  CASE
    -- A new full snapshot replaces the old one together with its open issues.
    WHEN feeds.delivery = 'full' THEN COALESCE(newest.rejected_cnt, 0)
    ELSE COALESCE(batches.checked_cnt - batches.valid_cnt, 0)
  END AS open_issue_cnt
FROM ops.feed AS feeds
INNER JOIN promised ON promised.feed = feeds.feed
LEFT JOIN delivered ON delivered.feed = feeds.feed
LEFT JOIN batches ON batches.feed = feeds.feed
LEFT JOIN newest ON newest.feed = feeds.feed AND newest.recency = 1
LEFT JOIN held ON held.feed = feeds.feed AND held.recency = 1
LEFT JOIN executed ON executed.feed = feeds.feed
ORDER BY feed
