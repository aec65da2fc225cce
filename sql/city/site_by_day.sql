-- Each site's main figures of every day in sight, also of days that it did not report.
WITH days AS (
  SELECT
    site_code,
    site_name,
    period,
    first_day AS day,
    state,
    is_received,
    first_received_at,
    revision
  FROM city.report_by_site
  WHERE report = 'aggregation_status'
),
feeds AS (
  SELECT
    told.site_code,
    told.period,
    COUNT(*) AS item_cnt,
    COUNT(*) FILTER (WHERE told.is_mounted) AS mounted_cnt,
    COUNT(*) FILTER (WHERE told.is_update_promised) AS promised_cnt,
    COUNT(*) FILTER (WHERE told.is_update_promised AND told.is_on_time) AS on_time_cnt,
    COUNT(*) FILTER (WHERE told.is_held) AS held_cnt,
    CAST(SUM(told.row_cnt) AS BIGINT) AS row_cnt,
    CAST(SUM(told.period_row_cnt) AS BIGINT) AS period_row_cnt,
    CAST(SUM(told.checked_cnt) AS BIGINT) AS checked_cnt,
    CAST(SUM(told.valid_cnt) AS BIGINT) AS valid_cnt
  FROM city.aggregation_status AS told
  INNER JOIN days
    ON days.site_code = told.site_code
    AND days.period = told.period
  WHERE told.is_current
  GROUP BY
    told.site_code,
    told.period
)
SELECT
  days.site_code,
  days.site_name,
  days.day,
  days.state,
  days.revision,
  days.first_received_at,
  feeds.item_cnt,
  feeds.mounted_cnt,
  CAST(
    (20000 * feeds.mounted_cnt + feeds.item_cnt) // NULLIF(2 * feeds.item_cnt, 0) * 0.01
    AS DECIMAL(7, 2)
  ) AS mounted_pct,
  feeds.promised_cnt,
  feeds.on_time_cnt,
  CAST(
    (20000 * feeds.on_time_cnt + feeds.promised_cnt) // NULLIF(2 * feeds.promised_cnt, 0) * 0.01
    AS DECIMAL(7, 2)
  ) AS on_time_pct,
  feeds.checked_cnt,
  feeds.valid_cnt,
  CASE
    WHEN feeds.valid_cnt BETWEEN 0 AND feeds.checked_cnt
      THEN CAST(
        (20000 * feeds.valid_cnt + feeds.checked_cnt) // NULLIF(2 * feeds.checked_cnt, 0) * 0.01
        AS DECIMAL(7, 2)
      )
  END AS valid_pct,
  feeds.row_cnt,
  feeds.period_row_cnt,
  feeds.held_cnt,
  tasks.execution_cnt,
  tasks.success_cnt,
  tasks.success_pct
FROM days
LEFT JOIN feeds
  ON feeds.site_code = days.site_code
  AND feeds.period = days.period
LEFT JOIN city.task_execution AS tasks
  ON tasks.site_code = days.site_code
  AND tasks.period = days.period
  AND tasks.task = 'all'
  AND tasks.is_current
ORDER BY site_code, day
