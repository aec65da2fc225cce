WITH orders AS (
  SELECT
    CAST(EXTRACT(YEAR FROM accept_time) * 100 + EXTRACT(MONTH FROM accept_time) AS VARCHAR)
      AS month,
    COALESCE(SUBSTR(village_code, 1, 9), :site_code || '999') || '000' AS town_code,
    handle_mode,
    COALESCE(excluded, FALSE) AS is_excluded,
    COALESCE(is_responded, FALSE) AS is_responded,
    COALESCE(visit_valid, FALSE) AS is_visit_valid,
    is_solved,
    satisfaction
  FROM silver.hotline_order
  -- A void order (90) was never a demand.
  WHERE NOT _is_deleted
    AND status <> '90'
),
counted AS (
  SELECT
    month,
    town_code,
    COUNT(*) AS order_cnt,
    COUNT(*) FILTER (WHERE handle_mode = '1') AS direct_cnt,
    COUNT(*) FILTER (WHERE is_excluded) AS excluded_cnt,
    COUNT(*) FILTER (WHERE handle_mode = '2' AND NOT is_excluded) AS due_response_cnt,
    COUNT(*) FILTER (WHERE handle_mode = '2' AND NOT is_excluded AND is_responded)
      AS responded_cnt,
    COUNT(*) FILTER (WHERE is_visit_valid AND NOT is_excluded) AS visited_cnt,
    COUNT(*) FILTER (WHERE is_visit_valid AND NOT is_excluded AND is_solved = '1') AS solved_cnt,
    COUNT(*) FILTER (
      WHERE is_visit_valid AND NOT is_excluded AND satisfaction IN ('3', '4', '5')
    ) AS satisfied_cnt
  FROM orders
  GROUP BY
    month,
    town_code
)
SELECT
  month,
  town_code,
  order_cnt,
  direct_cnt,
  excluded_cnt,
  due_response_cnt,
  responded_cnt,
  CAST(
    (20000 * responded_cnt + due_response_cnt) // NULLIF(2 * due_response_cnt, 0) * 0.01
    AS DECIMAL(7, 2)
  ) AS response_pct,
  visited_cnt,
  solved_cnt,
  CAST((20000 * solved_cnt + visited_cnt) // NULLIF(2 * visited_cnt, 0) * 0.01 AS DECIMAL(7, 2))
    AS solve_pct,
  satisfied_cnt,
  CAST((20000 * satisfied_cnt + visited_cnt) // NULLIF(2 * visited_cnt, 0) * 0.01 AS DECIMAL(7, 2))
    AS satisfaction_pct
FROM counted
ORDER BY month, town_code
