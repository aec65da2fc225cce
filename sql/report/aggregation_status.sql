WITH batches AS (
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
  items.feed,
  items.catalogue_code,
  items.title,
  items.department_code,
  items.department_name,
  items.share_type,
  items.update_cycle,
  items.column_cnt,
  items.is_mounted,
  items.last_update_at,
  items.is_on_time,
  COALESCE(batches.batch_cnt, 0) AS batch_cnt,
  items.row_cnt,
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
    WHEN items.delivery = 'full' THEN COALESCE(newest.rejected_cnt, 0)
    ELSE COALESCE(batches.checked_cnt - batches.valid_cnt, 0)
  END AS open_issue_cnt,
  items.data_age_days,
  items.is_held,
  items.held_since_at,
  items.held_row_cnt
FROM gold.catalogue_item AS items
LEFT JOIN batches ON batches.feed = items.feed
LEFT JOIN newest ON newest.feed = items.feed AND newest.recency = 1
LEFT JOIN executed ON executed.feed = items.feed
ORDER BY feed
