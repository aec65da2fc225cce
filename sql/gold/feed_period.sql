-- What became of each period of each feed: the first thing that came for it, and whether in time.
WITH periods AS (
  SELECT
    deadlines.feed,
    deadlines.first_day,
    deadlines.last_day,
    deadlines.opens_at,
    deadlines.due_at,
    deadlines.calendar,
    LEAD(deadlines.due_at) OVER (PARTITION BY deadlines.feed ORDER BY deadlines.due_at)
      AS next_due_at
  FROM ops.deadline AS deadlines
  INNER JOIN ops.feed AS feeds ON feeds.feed = deadlines.feed
  WHERE deadlines.opens_at < :cut_off_at
),
happened AS (
  SELECT
    feed,
    opens_at AS happened_at,
    CAST(NULL AS TIMESTAMPTZ) AS arrived_at,
    due_at
  FROM periods
  UNION ALL
  SELECT
    feed,
    received_at AS happened_at,
    received_at AS arrived_at,
    CAST(NULL AS TIMESTAMPTZ) AS due_at
  FROM ops.delivery
  WHERE received_at < :cut_off_at
    AND outcome IN ('merged', 'unchanged')
  UNION ALL
  -- A source that was asked and has nothing new is up to date without a delivery.
  SELECT
    runs.task AS feed,
    runs.finished_at AS happened_at,
    runs.finished_at AS arrived_at,
    CAST(NULL AS TIMESTAMPTZ) AS due_at
  FROM ops.task_run AS runs
  INNER JOIN ops.feed AS feeds ON feeds.feed = runs.task AND feeds.is_asked
  WHERE runs.kind = 'feed'
    AND runs.status = 'skipped'
    AND runs.reason IS NULL
    AND runs.finished_at < :cut_off_at
),
followed AS (
  -- Of each period's beginning, the first arrival that is not earlier.
  SELECT
    feed,
    due_at,
    MIN(arrived_at) OVER (PARTITION BY feed ORDER BY happened_at DESC) AS arrived_at
  FROM happened
),
served AS (
  -- What comes after the next deadline serves the periods since then, not this one.
  SELECT
    periods.feed,
    periods.first_day,
    periods.last_day,
    periods.opens_at,
    periods.due_at,
    periods.calendar,
    CASE
      WHEN periods.next_due_at IS NULL OR followed.arrived_at < periods.next_due_at
        THEN followed.arrived_at
    END AS served_at
  FROM periods
  INNER JOIN followed ON followed.feed = periods.feed AND followed.due_at = periods.due_at
)
SELECT
  feed,
  first_day,
  last_day,
  opens_at,
  due_at,
  calendar,
  served_at,
  CASE
    WHEN served_at <= due_at THEN 'on_time'
    WHEN served_at > due_at THEN 'late'
    WHEN due_at < :cut_off_at THEN 'missing'
    ELSE 'open'
  END AS state,
  CASE
    WHEN served_at > due_at
      THEN CAST(DATE_DIFF('microsecond', due_at, served_at) // 60000000 AS BIGINT)
  END AS late_minute_cnt
FROM served
ORDER BY feed, first_day
