-- The correction loop per department and kind of case, with totals: how much, how fast, what is left.
WITH totals AS (
  SELECT
    FALSE AS is_total
  UNION ALL
  SELECT
    TRUE AS is_total
),
members AS (
  SELECT
    CASE WHEN departments.is_total THEN 'all' ELSE cases.department_code END AS department_code,
    CASE WHEN departments.is_total THEN '合计' ELSE cases.department_name END AS department_name,
    CASE WHEN kinds.is_total THEN 'all' ELSE cases.kind END AS kind,
    cases.state,
    cases.is_overdue,
    cases.open_day_cnt
  FROM gold.rectification_case AS cases
  CROSS JOIN totals AS departments
  CROSS JOIN totals AS kinds
),
ranked AS (
  SELECT
    department_code,
    kind,
    open_day_cnt,
    ROW_NUMBER() OVER (PARTITION BY department_code, kind ORDER BY open_day_cnt) AS position,
    COUNT(*) OVER (PARTITION BY department_code, kind) AS rectified_cnt
  FROM members
  WHERE open_day_cnt IS NOT NULL
),
middle AS (
  -- The median: the middle one, or the mean of the two in the middle.
  SELECT
    department_code,
    kind,
    CAST((SUM(open_day_cnt) * 10) // COUNT(*) * 0.1 AS DECIMAL(9, 1)) AS median_day_cnt
  FROM ranked
  WHERE 2 * position BETWEEN rectified_cnt AND rectified_cnt + 2
  GROUP BY
    department_code,
    kind
),
counted AS (
  SELECT
    department_code,
    kind,
    MAX(department_name) AS department_name,
    COUNT(*) FILTER (WHERE state <> 'withdrawn') AS issued_cnt,
    COUNT(*) FILTER (WHERE state IN ('closed', 'confirmed')) AS rectified_cnt,
    COUNT(*) FILTER (WHERE state = 'open') AS open_cnt,
    COUNT(*) FILTER (WHERE state = 'open' AND is_overdue) AS overdue_cnt,
    COUNT(*) FILTER (WHERE state = 'withdrawn') AS withdrawn_cnt
  FROM members
  GROUP BY
    department_code,
    kind
)
SELECT
  counted.department_code,
  counted.department_name,
  counted.kind,
  counted.issued_cnt,
  counted.rectified_cnt,
  CAST(
    (20000 * counted.rectified_cnt + counted.issued_cnt)
    // NULLIF(2 * counted.issued_cnt, 0) * 0.01 AS DECIMAL(7, 2)
  ) AS rectified_pct,
  counted.open_cnt,
  counted.overdue_cnt,
  counted.withdrawn_cnt,
  middle.median_day_cnt
FROM counted
LEFT JOIN middle
  ON middle.department_code = counted.department_code
  AND middle.kind = counted.kind
ORDER BY
  counted.department_code,
  counted.kind
