WITH counted AS (
  SELECT
    cell.month,
    towns.town_code,
    towns.town_name,
    CAST(SUM(cell.order_cnt) AS BIGINT) AS order_cnt,
    CAST(SUM(cell.direct_cnt) AS BIGINT) AS direct_cnt,
    CAST(SUM(cell.excluded_cnt) AS BIGINT) AS excluded_cnt,
    CAST(SUM(cell.due_response_cnt) AS BIGINT) AS due_response_cnt,
    CAST(SUM(cell.responded_cnt) AS BIGINT) AS responded_cnt,
    CAST(SUM(cell.visited_cnt) AS BIGINT) AS visited_cnt,
    CAST(SUM(cell.solved_cnt) AS BIGINT) AS solved_cnt,
    CAST(SUM(cell.satisfied_cnt) AS BIGINT) AS satisfied_cnt
  FROM gold.hotline_by_month_town AS cell
  INNER JOIN gold.town_rollup AS towns ON towns.member_code = cell.town_code
  GROUP BY
    cell.month,
    towns.town_code,
    towns.town_name
)
SELECT
  month,
  town_code,
  town_name,
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
