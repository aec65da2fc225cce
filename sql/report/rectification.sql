-- The county's correction loop as the city sees it: rate, median days, what is open and overdue.
SELECT
  department_code,
  department_name,
  kind,
  issued_cnt,
  rectified_cnt,
  rectified_pct,
  open_cnt,
  overdue_cnt,
  withdrawn_cnt,
  median_day_cnt
FROM gold.rectification_by_department
ORDER BY
  department_code,
  kind
