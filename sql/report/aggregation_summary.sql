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
)
SELECT
  CAST(:county_code AS VARCHAR) AS division_code,
  item_cnt,
  mounted_cnt,
  CAST((20000 * mounted_cnt + item_cnt) // NULLIF(2 * item_cnt, 0) * 0.01 AS DECIMAL(7, 2))
    AS mounted_pct,
  on_time_cnt,
  CAST((20000 * on_time_cnt + item_cnt) // NULLIF(2 * item_cnt, 0) * 0.01 AS DECIMAL(7, 2))
    AS on_time_pct,
  empty_cnt,
  row_cnt,
  period_row_cnt,
  checked_cnt,
  valid_cnt,
  CAST((20000 * valid_cnt + checked_cnt) // NULLIF(2 * checked_cnt, 0) * 0.01 AS DECIMAL(7, 2))
    AS valid_pct,
  open_issue_cnt
FROM counted
ORDER BY division_code
