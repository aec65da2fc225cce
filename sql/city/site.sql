-- Every registered site, also one that never reported: how far its newest daily report lies behind.
WITH accepted AS (
  SELECT
    site_code,
    report,
    period,
    MIN(received_at) AS first_received_at,
    MAX(received_at) AS last_received_at,
    MAX_BY(COALESCE(kind, ''), revision) AS kind
  FROM ops.received
  WHERE outcome = 'accepted'
  GROUP BY
    site_code,
    report,
    period
),
heard AS (
  SELECT
    site_code,
    MIN(first_received_at) AS first_received_at,
    MAX(last_received_at) AS last_received_at
  FROM accepted
  GROUP BY site_code
),
newest AS (
  -- A period of eight digits is a day; one that was withdrawn is as if it had not come.
  SELECT
    site_code,
    MAX(period) AS period
  FROM accepted
  WHERE kind <> 'withdrawal'
    AND LENGTH(period) = 8
    AND period <= REPLACE(CAST(CAST(:day AS DATE) AS VARCHAR), '-', '')
  GROUP BY site_code
),
dated AS (
  SELECT
    site_code,
    CAST(
      SUBSTRING(period, 1, 4) || '-' || SUBSTRING(period, 5, 2) || '-' || SUBSTRING(period, 7, 2)
      AS DATE
    ) AS newest_day
  FROM newest
)
SELECT
  child.site_code,
  child.site_name,
  child.via,
  child.registered_at,
  child.registered_day,
  heard.site_code IS NULL AS is_never_reported,
  heard.first_received_at,
  heard.last_received_at,
  dated.newest_day,
  DATE_DIFF('day', dated.newest_day, CAST(:day AS DATE)) AS days_behind,
  CASE
    WHEN dated.newest_day IS NULL THEN child.registered_day
    WHEN dated.newest_day < :day THEN CAST(dated.newest_day + INTERVAL 1 DAY AS DATE)
  END AS missing_since_day
FROM ops.child AS child
LEFT JOIN heard ON heard.site_code = child.site_code
LEFT JOIN dated ON dated.site_code = child.site_code
WHERE child.removed_at IS NULL
ORDER BY site_code
