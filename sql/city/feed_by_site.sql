-- The unified view of aggregation: what every county says of every feed, in its newest period.
WITH newest AS (
  SELECT
    site_code,
    MAX(period) AS period
  FROM city.aggregation_status
  WHERE is_current
  GROUP BY site_code
)
SELECT
  feeds.site_code,
  feeds.site_name,
  feeds.feed,
  feeds.title,
  feeds.department_name,
  feeds.catalogue_code,
  feeds.period,
  feeds.is_mounted,
  feeds.last_update_at,
  feeds.is_on_time,
  feeds.row_cnt,
  feeds.period_row_cnt,
  feeds.checked_cnt,
  feeds.valid_cnt,
  feeds.valid_pct,
  feeds.score,
  feeds.open_issue_cnt,
  COALESCE(tasks.status, 'none') AS task_status,
  COALESCE(tasks.execution_cnt, 0) AS execution_cnt,
  COALESCE(tasks.success_cnt, 0) AS success_cnt,
  tasks.success_pct,
  COALESCE(tasks.on_time_cnt, 0) AS on_time_cnt,
  tasks.on_time_pct
FROM city.aggregation_status AS feeds
INNER JOIN newest
  ON newest.site_code = feeds.site_code
  AND newest.period = feeds.period
LEFT JOIN city.task_execution AS tasks
  ON tasks.site_code = feeds.site_code
  AND tasks.period = feeds.period
  AND tasks.task = feeds.feed
  AND tasks.is_current
WHERE feeds.is_current
ORDER BY site_code, feed
