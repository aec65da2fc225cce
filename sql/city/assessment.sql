-- The indicators of the assessment per site, long: numerator, denominator, value, rank.
WITH feeds AS (
  SELECT
    site_code,
    COUNT(*) FILTER (WHERE is_listed) AS item_cnt,
    COUNT(*) FILTER (WHERE is_mounted) AS mounted_cnt,
    COUNT(*) FILTER (WHERE is_required) AS required_cnt,
    COUNT(*) FILTER (WHERE is_required AND is_collected) AS collected_cnt,
    COUNT(*) FILTER (WHERE is_update_promised) AS promised_cnt,
    COUNT(*) FILTER (WHERE is_update_promised AND is_on_time) AS on_time_cnt,
    COUNT(*) FILTER (WHERE is_mounted AND row_cnt = 0) AS empty_cnt,
    COUNT(*) FILTER (WHERE is_zombie) AS zombie_cnt,
    CAST(SUM(row_cnt) AS BIGINT) AS row_cnt,
    CAST(SUM(period_row_cnt) AS BIGINT) AS period_row_cnt,
    CAST(SUM(checked_cnt) AS BIGINT) AS checked_cnt,
    CAST(SUM(valid_cnt) AS BIGINT) AS valid_cnt
  FROM city.feed_by_site
  WHERE is_listed
  GROUP BY site_code
),
executed AS (
  -- Over all days in sight: a single day has too few executions to be judged.
  SELECT
    tasks.site_code,
    CAST(SUM(tasks.execution_cnt) AS BIGINT) AS execution_cnt,
    CAST(SUM(tasks.success_cnt) AS BIGINT) AS success_cnt,
    CAST(SUM(tasks.on_time_cnt) AS BIGINT) AS on_time_cnt
  FROM city.task_execution AS tasks
  INNER JOIN ops.owed_period AS shown
    ON shown.report = 'task_execution'
    AND shown.period = tasks.period
    AND shown.first_day <= :day
    AND shown.shown_until >= :day
  WHERE tasks.is_current
    AND tasks.task = 'all'
  GROUP BY tasks.site_code
),
newest AS (
  SELECT
    site_code,
    MAX(period) AS period
  FROM city.report_by_site
  WHERE report = 'rectification'
    AND is_received
  GROUP BY site_code
),
cases AS (
  -- A report without rows says that nothing was issued.
  SELECT
    newest.site_code,
    CAST(COALESCE(SUM(issues.issued_cnt), 0) AS BIGINT) AS issued_cnt,
    CAST(COALESCE(SUM(issues.rectified_cnt), 0) AS BIGINT) AS rectified_cnt
  FROM newest
  LEFT JOIN city.rectification AS issues
    ON issues.site_code = newest.site_code
    AND issues.period = newest.period
    AND issues.is_current
    AND issues.department_code = 'all'
    AND issues.kind = 'all'
  GROUP BY newest.site_code
),
reports AS (
  SELECT
    site_code,
    COUNT(*) FILTER (WHERE is_due) AS due_cnt,
    COUNT(*) FILTER (WHERE is_on_time) AS on_time_cnt
  FROM city.report_by_site
  GROUP BY site_code
),
counted AS (
  SELECT site_code, 'mounted' AS indicator, mounted_cnt AS counted_cnt, item_cnt AS base_cnt
  FROM feeds
  UNION ALL
  SELECT site_code, 'collected' AS indicator, collected_cnt, required_cnt FROM feeds
  UNION ALL
  SELECT site_code, 'updated' AS indicator, on_time_cnt, promised_cnt FROM feeds
  UNION ALL
  SELECT site_code, 'valid' AS indicator, valid_cnt, checked_cnt FROM feeds
  UNION ALL
  SELECT site_code, 'succeeded' AS indicator, success_cnt, execution_cnt FROM executed
  UNION ALL
  SELECT site_code, 'on_time' AS indicator, on_time_cnt, execution_cnt FROM executed
  UNION ALL
  SELECT site_code, 'rectified' AS indicator, rectified_cnt, issued_cnt FROM cases
  UNION ALL
  SELECT site_code, 'reported' AS indicator, on_time_cnt, due_cnt FROM reports
  UNION ALL
  SELECT site_code, 'items' AS indicator, item_cnt, NULL FROM feeds
  UNION ALL
  SELECT site_code, 'rows' AS indicator, row_cnt, NULL FROM feeds
  UNION ALL
  SELECT site_code, 'period_rows' AS indicator, period_row_cnt, NULL FROM feeds
  UNION ALL
  SELECT site_code, 'empty' AS indicator, empty_cnt, NULL FROM feeds
  UNION ALL
  SELECT site_code, 'zombie' AS indicator, zombie_cnt, NULL FROM feeds
),
valued AS (
  SELECT
    site.site_code,
    site.site_name,
    rules.indicator,
    rules.title,
    rules.unit,
    rules.is_rate,
    rules.weight,
    rules.sample,
    rules.position,
    counted.counted_cnt AS numerator_cnt,
    counted.base_cnt AS denominator_cnt,
    CASE
      -- What a site says of itself may be impossible: then it has nothing of it.
      WHEN rules.is_rate AND counted.counted_cnt NOT BETWEEN 0 AND counted.base_cnt
        THEN CAST(0 AS DECIMAL(18, 2))
      WHEN rules.is_rate
        THEN CAST(
          (20000 * counted.counted_cnt + counted.base_cnt) // NULLIF(2 * counted.base_cnt, 0) * 0.01
          AS DECIMAL(18, 2)
        )
      ELSE CAST(counted.counted_cnt AS DECIMAL(18, 2))
    END AS value,
    CASE
      WHEN counted.indicator IS NULL THEN 'unreported'
      WHEN rules.is_rate AND COALESCE(counted.base_cnt, 0) < rules.sample THEN 'small_sample'
      ELSE 'counted'
    END AS state
  FROM city.site AS site
  CROSS JOIN ops.assessment_indicator AS rules
  LEFT JOIN counted
    ON counted.site_code = site.site_code
    AND counted.indicator = rules.indicator
),
ranked AS (
  SELECT
    site_code,
    indicator,
    RANK() OVER (PARTITION BY indicator ORDER BY value DESC) AS rank,
    COUNT(*) OVER (PARTITION BY indicator) AS ranked_cnt
  FROM valued
  WHERE is_rate
    AND state = 'counted'
)
SELECT
  valued.site_code,
  valued.site_name,
  CAST(:day AS DATE) AS day,
  valued.indicator,
  valued.title,
  valued.unit,
  valued.position,
  valued.is_rate,
  valued.numerator_cnt,
  valued.denominator_cnt,
  valued.value,
  valued.state,
  valued.sample AS minimum_cnt,
  valued.weight,
  ranked.rank,
  ranked.ranked_cnt
FROM valued
LEFT JOIN ranked
  ON ranked.site_code = valued.site_code
  AND ranked.indicator = valued.indicator
ORDER BY site_code, position, indicator
