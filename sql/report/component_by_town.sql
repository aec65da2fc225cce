WITH classes AS (
  SELECT DISTINCT
    component_class AS member_class,
    component_class
  FROM gold.component_by_class_town
  UNION ALL
  SELECT DISTINCT
    component_class AS member_class,
    'all' AS component_class
  FROM gold.component_by_class_town
),
counted AS (
  SELECT
    towns.town_code,
    towns.town_name,
    classes.component_class,
    CAST(COALESCE(SUM(cell.component_cnt), 0) AS BIGINT) AS component_cnt,
    CAST(COALESCE(SUM(cell.in_use_cnt), 0) AS BIGINT) AS in_use_cnt,
    CAST(COALESCE(SUM(cell.good_cnt), 0) AS BIGINT) AS good_cnt
  FROM gold.town_rollup AS towns
  CROSS JOIN classes
  LEFT JOIN gold.component_by_class_town AS cell
    ON cell.town_code = towns.member_code
    AND cell.component_class = classes.member_class
  GROUP BY
    towns.town_code,
    towns.town_name,
    classes.component_class
)
SELECT
  town_code,
  town_name,
  component_class,
  component_cnt,
  in_use_cnt,
  good_cnt,
  CAST((20000 * good_cnt + in_use_cnt) // NULLIF(2 * in_use_cnt, 0) * 0.01 AS DECIMAL(7, 2))
    AS good_pct
FROM counted
ORDER BY town_code, component_class
