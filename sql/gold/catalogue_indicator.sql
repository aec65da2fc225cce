-- The indicators of aggregation per department, and of all of them together.
WITH members AS (
  SELECT
    department_code,
    department_name,
    is_mounted,
    is_collected,
    is_required,
    is_update_promised,
    is_on_time,
    is_empty,
    is_zombie,
    row_cnt
  FROM gold.catalogue_item
  UNION ALL
  SELECT
    'all' AS department_code,
    '合计' AS department_name,
    is_mounted,
    is_collected,
    is_required,
    is_update_promised,
    is_on_time,
    is_empty,
    is_zombie,
    row_cnt
  FROM gold.catalogue_item
),
counted AS (
  SELECT
    department_code,
    MAX(department_name) AS department_name,
    COUNT(*) AS item_cnt,
    COUNT(*) FILTER (WHERE is_mounted) AS mounted_cnt,
    COUNT(*) FILTER (WHERE is_required) AS required_cnt,
    COUNT(*) FILTER (WHERE is_required AND is_collected) AS collected_cnt,
    COUNT(*) FILTER (WHERE is_update_promised) AS promised_cnt,
    COUNT(*) FILTER (WHERE is_update_promised AND is_on_time) AS on_time_cnt,
    COUNT(*) FILTER (WHERE is_empty) AS empty_cnt,
    COUNT(*) FILTER (WHERE is_zombie) AS zombie_cnt,
    CAST(SUM(row_cnt) AS BIGINT) AS row_cnt
  FROM members
  GROUP BY department_code
),
due AS (
  -- Periods of this year whose deadline is past.
  SELECT
    items.department_code,
    periods.state
  FROM gold.feed_period AS periods
  INNER JOIN gold.catalogue_item AS items
    ON items.feed = periods.feed AND items.is_update_promised
  WHERE periods.due_at < :cut_off_at
    AND EXTRACT(YEAR FROM periods.last_day) = EXTRACT(YEAR FROM CAST(:day AS DATE))
),
periods AS (
  SELECT
    department_code,
    COUNT(*) AS due_cnt,
    COUNT(*) FILTER (WHERE state = 'on_time') AS on_time_cnt
  FROM due
  GROUP BY department_code
  UNION ALL
  SELECT
    'all' AS department_code,
    COUNT(*) AS due_cnt,
    COUNT(*) FILTER (WHERE state = 'on_time') AS on_time_cnt
  FROM due
)
SELECT
  counted.department_code,
  department_name,
  item_cnt,
  mounted_cnt,
  CAST((20000 * mounted_cnt + item_cnt) // NULLIF(2 * item_cnt, 0) * 0.01 AS DECIMAL(7, 2))
    AS mounted_pct,
  required_cnt,
  collected_cnt,
  CAST(
    (20000 * collected_cnt + required_cnt) // NULLIF(2 * required_cnt, 0) * 0.01
    AS DECIMAL(7, 2)
  ) AS collected_pct,
  promised_cnt,
  counted.on_time_cnt,
  CAST(
    (20000 * counted.on_time_cnt + promised_cnt) // NULLIF(2 * promised_cnt, 0) * 0.01
    AS DECIMAL(7, 2)
  ) AS on_time_pct,
  COALESCE(periods.due_cnt, 0) AS due_period_cnt,
  COALESCE(periods.on_time_cnt, 0) AS on_time_period_cnt,
  CAST(
    (20000 * periods.on_time_cnt + periods.due_cnt) // NULLIF(2 * periods.due_cnt, 0) * 0.01
    AS DECIMAL(7, 2)
  ) AS on_time_period_pct,
  empty_cnt,
  zombie_cnt,
  row_cnt
FROM counted
LEFT JOIN periods ON periods.department_code = counted.department_code
ORDER BY counted.department_code
