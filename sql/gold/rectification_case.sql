-- Every case of the county, whatever ledger it stands in; neither a key nor a cell.
WITH unserved AS (
  -- A period that was missed is over when something comes for a later one.
  SELECT
    feed,
    last_day,
    due_at AS opened_at,
    COALESCE(served_at, next_at) AS closed_at,
    CASE
      WHEN served_at IS NOT NULL THEN 'delivered'
      WHEN next_at IS NOT NULL THEN 'overtaken'
    END AS how
  FROM (
    SELECT
      feed,
      last_day,
      due_at,
      served_at,
      state,
      MIN(served_at) OVER (
        PARTITION BY feed
        ORDER BY due_at
        ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
      ) AS next_at
    FROM gold.feed_period
  ) AS periods
  WHERE state IN ('late', 'missing')
),
ledgers AS (
  SELECT
    case_id,
    'fail' AS kind,
    feed,
    opened_at,
    returned_at,
    attempts,
    closed_at,
    state,
    how
  FROM ops.rectification
  UNION ALL
  SELECT
    case_id,
    severity AS kind,
    feed,
    opened_at,
    returned_at,
    attempts,
    closed_at,
    state,
    how
  FROM ops.finding
  UNION ALL
  SELECT
    case_id,
    'disagreement' AS kind,
    feed,
    opened_at,
    returned_at,
    attempts,
    closed_at,
    state,
    how
  FROM ops.disagreement
  UNION ALL
  SELECT
    hold_id AS case_id,
    'held' AS kind,
    feed,
    opened_at,
    CAST(NULL AS TIMESTAMPTZ) AS returned_at,
    1 AS attempts,
    decided_at AS closed_at,
    CASE WHEN state = 'open' THEN 'open' ELSE 'closed' END AS state,
    state AS how
  FROM ops.hold
  WHERE state <> 'noted'
  UNION ALL
  SELECT
    CONCAT('CQ', UPPER(SUBSTR(MD5(CONCAT(feed, CAST(last_day AS VARCHAR))), 1, 12))) AS case_id,
    'late' AS kind,
    feed,
    opened_at,
    CAST(NULL AS TIMESTAMPTZ) AS returned_at,
    1 AS attempts,
    closed_at,
    CASE WHEN closed_at IS NULL THEN 'open' ELSE 'closed' END AS state,
    how
  FROM unserved
  UNION ALL
  SELECT
    case_id,
    'correction' AS kind,
    feed,
    asked_at AS opened_at,
    returned_at,
    1 AS attempts,
    answered_at AS closed_at,
    state,
    how
  FROM ops.correction
),
known AS (
  SELECT
    case_id,
    kind,
    feed,
    opened_at,
    CASE WHEN returned_at < :cut_off_at THEN returned_at END AS returned_at,
    attempts,
    CASE WHEN closed_at < :cut_off_at THEN closed_at END AS closed_at,
    CASE WHEN closed_at < :cut_off_at THEN state ELSE 'open' END AS state,
    CASE WHEN closed_at < :cut_off_at THEN how END AS how,
    CAST(opened_at AT TIME ZONE 'Asia/Shanghai' AS DATE) AS opened_day,
    CAST(
      CASE WHEN closed_at < :cut_off_at THEN closed_at END AT TIME ZONE 'Asia/Shanghai' AS DATE
    ) AS closed_day
  FROM ledgers
  WHERE opened_at < :cut_off_at
),
decided AS (
  SELECT
    case_id,
    MAX_BY(assignee, decided_at) FILTER (WHERE event = 'assign') AS assignee,
    CAST(COALESCE(SUM(workdays) FILTER (WHERE event = 'extend'), 0) AS BIGINT) AS extended_cnt
  FROM ops.case_event
  WHERE decided_at < :cut_off_at
  GROUP BY case_id
),
due AS (
  SELECT
    number,
    MIN(day) AS due_day
  FROM ops.workday
  GROUP BY number
),
dated AS (
  SELECT
    known.case_id,
    known.kind,
    known.feed,
    known.opened_at,
    known.returned_at,
    known.attempts,
    known.closed_at,
    known.state,
    known.how,
    known.opened_day,
    known.closed_day,
    decided.assignee,
    COALESCE(decided.extended_cnt, 0) AS extended_cnt,
    due.due_day
  FROM known
  LEFT JOIN decided ON decided.case_id = known.case_id
  LEFT JOIN ops.case_deadline AS terms ON terms.kind = known.kind
  LEFT JOIN ops.workday AS opened ON opened.day = known.opened_day
  LEFT JOIN due
    ON due.number = opened.number + terms.workdays + COALESCE(decided.extended_cnt, 0)
)
SELECT
  dated.case_id,
  dated.kind,
  dated.feed,
  COALESCE(feeds.department_code, 'unknown') AS department_code,
  COALESCE(feeds.department_name, '数据主管部门') AS department_name,
  COALESCE(dated.assignee, feeds.department_name, '数据主管部门') AS owner,
  dated.opened_at,
  dated.due_day,
  dated.extended_cnt,
  dated.returned_at,
  dated.attempts AS attempt_cnt,
  dated.state,
  dated.how,
  dated.closed_at,
  COALESCE(dated.closed_day, :day) > dated.due_day AS is_overdue,
  CASE
    WHEN dated.state IN ('closed', 'confirmed')
      THEN CAST(DATE_DIFF('day', dated.opened_day, dated.closed_day) AS BIGINT)
  END AS open_day_cnt
FROM dated
LEFT JOIN ops.feed AS feeds ON feeds.feed = dated.feed
ORDER BY dated.case_id
