-- The correction loop per department and kind of case, with totals: how much, how fast, what is left.
WITH members AS (
  SELECT
    department_code,
    department_name,
    kind,
    state,
    is_overdue,
    open_day_cnt
  FROM gold.rectification_case
  UNION ALL
  SELECT
    department_code,
    department_name,
    'all' AS kind,
    state,
    is_overdue,
    open_day_cnt
  FROM gold.rectification_case
  UNION ALL
  SELECT
    'all' AS department_code,
    '合计' AS department_name,
    kind,
    state,
    is_overdue,
    open_day_cnt
  FROM gold.rectification_case
  UNION ALL
  SELECT
    'all' AS department_code,
    '合计' AS department_name,
    'all' AS kind,
    state,
    is_overdue,
    open_day_cnt
  FROM gold.rectification_case
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
