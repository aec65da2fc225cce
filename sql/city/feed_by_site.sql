-- The unified view: every catalogue item of every site, in the newest period that the site reported.
WITH newest AS (
  SELECT
    site_code,
    MAX(period) AS period
  FROM city.aggregation_status
  WHERE is_current
    AND period <= REPLACE(CAST(CAST(:day AS DATE) AS VARCHAR), '-', '')
  GROUP BY site_code
),
told AS (
  SELECT
    feeds.site_code,
    feeds.period,
    feeds.feed,
    feeds.title,
    feeds.is_mounted,
    feeds.department_name,
    feeds.catalogue_code,
    feeds.update_cycle,
    feeds.last_update_at,
    feeds.is_on_time,
    feeds.is_required,
    feeds.is_collected,
    feeds.is_update_promised,
    feeds.is_zombie,
    feeds.row_cnt,
    feeds.period_row_cnt,
    feeds.checked_cnt,
    feeds.valid_cnt,
    feeds.valid_pct,
    feeds.score,
    feeds.grade,
    feeds.normativity_passed_cnt,
    feeds.normativity_checked_cnt,
    feeds.normativity_pct,
    feeds.completeness_passed_cnt,
    feeds.completeness_checked_cnt,
    feeds.completeness_pct,
    feeds.accuracy_passed_cnt,
    feeds.accuracy_checked_cnt,
    feeds.accuracy_pct,
    feeds.consistency_passed_cnt,
    feeds.consistency_checked_cnt,
    feeds.consistency_pct,
    feeds.timeliness_passed_cnt,
    feeds.timeliness_checked_cnt,
    feeds.timeliness_pct,
    feeds.accessibility_passed_cnt,
    feeds.accessibility_checked_cnt,
    feeds.accessibility_pct,
    feeds.open_issue_cnt,
    feeds.data_age_days,
    feeds.is_held,
    feeds.held_since_at,
    feeds.held_row_cnt
  FROM city.aggregation_status AS feeds
  INNER JOIN newest
    ON newest.site_code = feeds.site_code
    AND newest.period = feeds.period
  WHERE feeds.is_current
),
items AS (
  -- What any site has in its catalogue; a site that has it not gets a row that says so.
  SELECT
    told.feed,
    MAX(told.title) AS title
  FROM told
  INNER JOIN city.site AS site ON site.site_code = told.site_code
  GROUP BY told.feed
)
SELECT
  site.site_code,
  site.site_name,
  items.feed,
  COALESCE(told.title, items.title) AS title,
  newest.period,
  DATE_DIFF(
    'day',
    CAST(
      SUBSTRING(newest.period, 1, 4) || '-' || SUBSTRING(newest.period, 5, 2) || '-'
      || SUBSTRING(newest.period, 7, 2) AS DATE
    ),
    CAST(:day AS DATE)
  ) AS days_behind,
  CASE
    WHEN newest.site_code IS NULL THEN 'unreported'
    WHEN told.feed IS NULL THEN 'unlisted'
    WHEN told.is_mounted THEN 'mounted'
    ELSE 'unmounted'
  END AS state,
  told.feed IS NOT NULL AS is_listed,
  COALESCE(told.is_mounted, FALSE) AS is_mounted,
  told.department_name,
  told.catalogue_code,
  told.update_cycle,
  told.last_update_at,
  told.is_on_time,
  told.is_required,
  told.is_collected,
  told.is_update_promised,
  told.is_zombie,
  told.row_cnt,
  told.period_row_cnt,
  told.checked_cnt,
  told.valid_cnt,
  told.valid_pct,
  told.score,
  told.grade,
  told.normativity_passed_cnt,
  told.normativity_checked_cnt,
  told.normativity_pct,
  told.completeness_passed_cnt,
  told.completeness_checked_cnt,
  told.completeness_pct,
  told.accuracy_passed_cnt,
  told.accuracy_checked_cnt,
  told.accuracy_pct,
  told.consistency_passed_cnt,
  told.consistency_checked_cnt,
  told.consistency_pct,
  told.timeliness_passed_cnt,
  told.timeliness_checked_cnt,
  told.timeliness_pct,
  told.accessibility_passed_cnt,
  told.accessibility_checked_cnt,
  told.accessibility_pct,
  told.open_issue_cnt,
  told.data_age_days,
  told.is_held,
  told.held_since_at,
  told.held_row_cnt,
  COALESCE(tasks.status, 'none') AS task_status,
  COALESCE(tasks.execution_cnt, 0) AS execution_cnt,
  COALESCE(tasks.success_cnt, 0) AS success_cnt,
  tasks.success_pct,
  COALESCE(tasks.on_time_cnt, 0) AS on_time_cnt,
  tasks.on_time_pct
FROM city.site AS site
CROSS JOIN items
LEFT JOIN newest ON newest.site_code = site.site_code
LEFT JOIN told
  ON told.site_code = site.site_code
  AND told.feed = items.feed
LEFT JOIN city.task_execution AS tasks
  ON tasks.site_code = told.site_code
  AND tasks.period = told.period
  AND tasks.task = told.feed
  AND tasks.is_current
ORDER BY site_code, feed
