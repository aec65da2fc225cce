-- What counts beside the files' own rules, each answer with the days on which it counts: table
-- rules until they are asked again, deadlines and accesses for 30 days and until the next one.
WITH ended AS (
  SELECT
    run_id,
    MAX(finished_at) AS ended_at
  FROM ops.task_run
  WHERE kind = 'feed'
  GROUP BY run_id
),
asked AS (
  -- A run's questions come after its feeds, and are about the state that these left.
  SELECT
    results.table_name,
    results.rule_id,
    results.dimension,
    results.checked,
    results.failed,
    results.checked_at,
    LEAST(results.checked_at, ended.ended_at) AS stood_at
  FROM ops.check_result AS results
  LEFT JOIN ended ON ended.run_id = results.run_id
  WHERE results.suite = 'countylake'
    AND SUBSTR(results.table_name, 1, 7) = 'silver.'
    AND results.dimension <> ''
    AND results.batch_id IS NULL
),
asked_days AS (
  SELECT
    SUBSTR(table_name, 8) AS feed,
    rule_id,
    dimension,
    checked_at,
    LEAST(CAST(stood_at AT TIME ZONE 'Asia/Shanghai' AS DATE), :day) AS day,
    checked AS checked_cnt,
    failed AS failed_cnt
  FROM asked
  WHERE stood_at < :cut_off_at
),
judged AS (
  SELECT
    feed,
    rule_id,
    dimension,
    day AS first_day,
    LEAD(day) OVER (PARTITION BY feed, rule_id ORDER BY day, checked_at) AS end_day,
    checked_cnt,
    failed_cnt
  FROM asked_days
),
due_days AS (
  SELECT
    feed,
    LEAST(CAST(due_at AT TIME ZONE 'Asia/Shanghai' AS DATE), :day) AS day,
    COUNT(*) AS checked_cnt,
    COUNT(*) FILTER (WHERE state <> 'on_time') AS failed_cnt
  FROM gold.feed_period
  WHERE due_at < :cut_off_at
  GROUP BY
    feed,
    LEAST(CAST(due_at AT TIME ZONE 'Asia/Shanghai' AS DATE), :day)
),
attempts AS (
  -- A file that a person sent back could be read; its hold says that it was.
  SELECT
    deliveries.feed,
    deliveries.received_at AS tried_at,
    1 AS checked_cnt,
    CASE
      WHEN deliveries.outcome IN ('refused', 'unreadable') AND holds.delivery_id IS NULL THEN 1
      ELSE 0
    END AS failed_cnt
  FROM ops.delivery AS deliveries
  LEFT JOIN (SELECT DISTINCT delivery_id FROM ops.hold) AS holds
    ON holds.delivery_id = deliveries.delivery_id
  WHERE deliveries.received_at < :cut_off_at
  UNION ALL
  SELECT
    runs.task AS feed,
    runs.finished_at AS tried_at,
    COALESCE(runs.unreached, 0)
    + CASE
      WHEN feeds.is_asked AND runs.status = 'skipped' AND runs.reason IS NULL THEN 1
      ELSE 0
    END AS checked_cnt,
    COALESCE(runs.unreached, 0) AS failed_cnt
  FROM ops.task_run AS runs
  INNER JOIN ops.feed AS feeds ON feeds.feed = runs.task
  WHERE runs.kind = 'feed'
    AND runs.finished_at < :cut_off_at
),
attempt_days AS (
  SELECT
    feed,
    LEAST(CAST(tried_at AT TIME ZONE 'Asia/Shanghai' AS DATE), :day) AS day,
    CAST(SUM(checked_cnt) AS BIGINT) AS checked_cnt,
    CAST(SUM(failed_cnt) AS BIGINT) AS failed_cnt
  FROM attempts
  WHERE checked_cnt > 0
  GROUP BY
    feed,
    LEAST(CAST(tried_at AT TIME ZONE 'Asia/Shanghai' AS DATE), :day)
),
dated AS (
  SELECT
    feed,
    'delivery.on_time' AS rule_id,
    'timeliness' AS dimension,
    'deadline' AS kind,
    day,
    LEAD(day) OVER (PARTITION BY feed ORDER BY day) AS next_day,
    checked_cnt,
    failed_cnt
  FROM due_days
  UNION ALL
  SELECT
    feed,
    'source.readable' AS rule_id,
    'accessibility' AS dimension,
    'access' AS kind,
    day,
    LEAD(day) OVER (PARTITION BY feed ORDER BY day) AS next_day,
    checked_cnt,
    failed_cnt
  FROM attempt_days
)
SELECT
  feed,
  rule_id,
  dimension,
  'table' AS kind,
  first_day,
  end_day,
  checked_cnt,
  failed_cnt
FROM judged
WHERE end_day IS NULL
  OR end_day > first_day
UNION ALL
SELECT
  feed,
  rule_id,
  dimension,
  kind,
  day AS first_day,
  CASE WHEN next_day IS NOT NULL THEN GREATEST(next_day, day + 30) END AS end_day,
  checked_cnt,
  failed_cnt
FROM dated
ORDER BY feed, rule_id, first_day
