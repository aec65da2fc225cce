WITH counted AS (
  SELECT
    COUNT(*) AS item_cnt,
    COUNT(*) FILTER (WHERE is_mounted) AS mounted_cnt,
    COUNT(*) FILTER (WHERE is_on_time) AS on_time_cnt,
    COUNT(*) FILTER (WHERE is_mounted AND row_cnt = 0) AS empty_cnt,
    CAST(SUM(row_cnt) AS BIGINT) AS row_cnt,
    CAST(SUM(period_row_cnt) AS BIGINT) AS period_row_cnt,
    CAST(SUM(checked_cnt) AS BIGINT) AS checked_cnt,
    CAST(SUM(valid_cnt) AS BIGINT) AS valid_cnt,
    CAST(SUM(open_issue_cnt) AS BIGINT) AS open_issue_cnt
  FROM report.aggregation_status
),
promised AS (
  SELECT promised_cnt
  FROM gold.catalogue_indicator
  WHERE department_code = 'all'
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
    AND feed = 'all'
  GROUP BY feed
),
trend AS (
  SELECT
    feed,
    score,
    grade
  FROM gold.quality_trend
  WHERE day = :day
    AND feed = 'all'
)
SELECT
  CAST(:site_code AS VARCHAR) AS division_code,
  counted.item_cnt,
  counted.mounted_cnt,
  CAST(
    (20000 * counted.mounted_cnt + counted.item_cnt) // NULLIF(2 * counted.item_cnt, 0) * 0.01
    AS DECIMAL(7, 2)
  ) AS mounted_pct,
  counted.on_time_cnt,
  promised.promised_cnt,
  CAST(
    (20000 * counted.on_time_cnt + promised.promised_cnt)
    // NULLIF(2 * promised.promised_cnt, 0) * 0.01
    AS DECIMAL(7, 2)
  ) AS on_time_pct,
  counted.empty_cnt,
  counted.row_cnt,
  counted.period_row_cnt,
  counted.checked_cnt,
  counted.valid_cnt,
  CAST(
    (20000 * counted.valid_cnt + counted.checked_cnt) // NULLIF(2 * counted.checked_cnt, 0) * 0.01
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
  counted.open_issue_cnt
FROM counted
CROSS JOIN promised
LEFT JOIN dimensions ON dimensions.feed = 'all'
LEFT JOIN trend ON trend.feed = 'all'
ORDER BY division_code
