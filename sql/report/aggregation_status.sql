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
    rejected_cnt,
    ROW_NUMBER() OVER (PARTITION BY feed ORDER BY delivered_at DESC, first_batch_id DESC)
      AS recency
  FROM gold.feed_batch
),
dimensions AS (
  SELECT
    feed,
    MAX(CASE WHEN dimension = 'normativity' THEN passed_cnt END) AS normativity_passed_cnt,
    MAX(CASE WHEN dimension = 'normativity' THEN checked_cnt END) AS normativity_checked_cnt,
    MAX(CASE WHEN dimension = 'normativity' THEN pass_pct END) AS normativity_pct,
    MAX(CASE WHEN dimension = 'completeness' THEN passed_cnt END) AS completeness_passed_cnt,
    MAX(CASE WHEN dimension = 'completeness' THEN checked_cnt END) AS completeness_checked_cnt,
    MAX(CASE WHEN dimension = 'completeness' THEN pass_pct END) AS completeness_pct,
    MAX(CASE WHEN dimension = 'accuracy' THEN passed_cnt END) AS accuracy_passed_cnt,
    MAX(CASE WHEN dimension = 'accuracy' THEN checked_cnt END) AS accuracy_checked_cnt,
    MAX(CASE WHEN dimension = 'accuracy' THEN pass_pct END) AS accuracy_pct,
    MAX(CASE WHEN dimension = 'consistency' THEN passed_cnt END) AS consistency_passed_cnt,
    MAX(CASE WHEN dimension = 'consistency' THEN checked_cnt END) AS consistency_checked_cnt,
    MAX(CASE WHEN dimension = 'consistency' THEN pass_pct END) AS consistency_pct,
    MAX(CASE WHEN dimension = 'timeliness' THEN passed_cnt END) AS timeliness_passed_cnt,
    MAX(CASE WHEN dimension = 'timeliness' THEN checked_cnt END) AS timeliness_checked_cnt,
    MAX(CASE WHEN dimension = 'timeliness' THEN pass_pct END) AS timeliness_pct,
    MAX(CASE WHEN dimension = 'accessibility' THEN passed_cnt END) AS accessibility_passed_cnt,
    MAX(CASE WHEN dimension = 'accessibility' THEN checked_cnt END) AS accessibility_checked_cnt,
    MAX(CASE WHEN dimension = 'accessibility' THEN pass_pct END) AS accessibility_pct
  FROM gold.quality_by_feed_day
  WHERE day = :day
  GROUP BY feed
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
  items.is_required,
  items.is_collected,
  items.last_update_at,
  items.is_update_promised,
  items.is_on_time,
  items.is_zombie,
  COALESCE(batches.batch_cnt, 0) AS batch_cnt,
  items.row_cnt,
  COALESCE(executed.period_row_cnt, 0) AS period_row_cnt,
  COALESCE(batches.checked_cnt, 0) AS checked_cnt,
  COALESCE(batches.valid_cnt, 0) AS valid_cnt,
  CAST(
    (20000 * batches.valid_cnt + batches.checked_cnt) // NULLIF(2 * batches.checked_cnt, 0) * 0.01
    AS DECIMAL(7, 2)
  ) AS valid_pct,
  trend.score,
  trend.grade,
  dimensions.normativity_passed_cnt,
  dimensions.normativity_checked_cnt,
  dimensions.normativity_pct,
  dimensions.completeness_passed_cnt,
  dimensions.completeness_checked_cnt,
  dimensions.completeness_pct,
  dimensions.accuracy_passed_cnt,
  dimensions.accuracy_checked_cnt,
  dimensions.accuracy_pct,
  dimensions.consistency_passed_cnt,
  dimensions.consistency_checked_cnt,
  dimensions.consistency_pct,
  dimensions.timeliness_passed_cnt,
  dimensions.timeliness_checked_cnt,
  dimensions.timeliness_pct,
  dimensions.accessibility_passed_cnt,
  dimensions.accessibility_checked_cnt,
  dimensions.accessibility_pct,
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
LEFT JOIN dimensions ON dimensions.feed = items.feed
LEFT JOIN gold.quality_trend AS trend
  ON trend.feed = items.feed
  AND trend.day = :day
LEFT JOIN executed ON executed.feed = items.feed
ORDER BY feed
