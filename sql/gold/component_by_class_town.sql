WITH component AS (
  SELECT
    SUBSTR(village_code, 1, 9) || '000' AS town_code,
    class2 AS component_class,
    state
  FROM silver.component
  WHERE NOT _is_deleted
),
counted AS (
  SELECT
    component_class,
    town_code,
    COUNT(*) AS component_cnt,
    -- Scrapped (4) and removed (5) are no longer in use.
    COUNT(*) FILTER (WHERE state NOT IN ('4', '5')) AS in_use_cnt,
    COUNT(*) FILTER (WHERE state = '1') AS good_cnt
  FROM component
  GROUP BY
    component_class,
    town_code
)
SELECT
  component_class,
  town_code,
  component_cnt,
  in_use_cnt,
  good_cnt,
  CAST((20000 * good_cnt + in_use_cnt) // NULLIF(2 * in_use_cnt, 0) * 0.01 AS DECIMAL(7, 2))
    AS good_pct
FROM counted
ORDER BY component_class, town_code
