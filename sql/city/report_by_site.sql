-- What every site owes and what came: one row per site, report and period that is in sight.
WITH shown AS (
  SELECT
    report,
    title,
    every,
    period,
    first_day,
    last_day,
    due_at
  FROM ops.owed_period
  WHERE first_day <= :day
    AND shown_until >= :day
),
accepted AS (
  SELECT
    received.site_code,
    received.report,
    received.period,
    received.package_id,
    received.revision,
    received.row_count AS row_cnt,
    COALESCE(received.kind, '') = 'withdrawal' AS is_withdrawn,
    received.received_at,
    MIN(received.received_at) OVER (
      PARTITION BY received.site_code, received.report, received.period
    ) AS first_received_at,
    ROW_NUMBER() OVER (
      PARTITION BY received.site_code, received.report, received.period
      ORDER BY received.revision DESC, received.received_at DESC, received.package_id
    ) AS recency,
    shown.first_day
  FROM ops.received AS received
  INNER JOIN shown
    ON shown.report = received.report
    AND shown.period = received.period
  WHERE received.outcome = 'accepted'
),
started AS (
  SELECT
    site_code,
    report,
    MIN(first_day) AS first_day
  FROM accepted
  GROUP BY
    site_code,
    report
),
owed AS (
  -- A site owes from its registration, or from its first period if that is earlier.
  SELECT
    site.site_code,
    site.site_name,
    site.registered_at,
    shown.report,
    shown.title,
    shown.every,
    shown.period,
    shown.first_day,
    shown.last_day,
    shown.due_at
  FROM city.site AS site
  CROSS JOIN shown
  LEFT JOIN started
    ON started.site_code = site.site_code
    AND started.report = shown.report
  WHERE shown.last_day >= site.registered_day
    OR shown.first_day >= started.first_day
),
refused AS (
  -- Packages that were not accepted: the newest word on each period.
  SELECT
    site_code,
    report,
    period,
    outcome,
    received_at,
    ROW_NUMBER() OVER (
      PARTITION BY site_code, report, period
      ORDER BY received_at DESC, revision DESC, outcome DESC, package_id, received_hash
    ) AS recency
  FROM ops.received
  WHERE outcome <> 'accepted'
    AND report IS NOT NULL
),
joined AS (
  SELECT
    owed.site_code,
    owed.site_name,
    owed.report,
    owed.title,
    owed.every,
    owed.period,
    owed.first_day,
    owed.last_day,
    owed.due_at,
    owed.due_at < :cut_off_at AS is_past_due,
    owed.due_at < owed.registered_at AS is_older,
    COALESCE(NOT reported.is_withdrawn, FALSE) AS is_received,
    COALESCE(reported.is_withdrawn, FALSE) AS is_withdrawn,
    reported.package_id,
    reported.revision,
    reported.row_cnt,
    reported.first_received_at,
    reported.received_at,
    CASE
      WHEN reported.received_at IS NULL OR refused.received_at > reported.received_at
        THEN refused.outcome
    END AS pending
  FROM owed
  LEFT JOIN accepted AS reported
    ON reported.site_code = owed.site_code
    AND reported.report = owed.report
    AND reported.period = owed.period
    AND reported.recency = 1
  LEFT JOIN refused
    ON refused.site_code = owed.site_code
    AND refused.report = owed.report
    AND refused.period = owed.period
    AND refused.recency = 1
),
judged AS (
  SELECT
    site_code,
    site_name,
    report,
    title,
    every,
    period,
    first_day,
    last_day,
    due_at,
    CASE
      -- What was due before the site was registered cannot have come in time.
      WHEN is_received AND (first_received_at <= due_at OR is_older) THEN 'on_time'
      WHEN is_received THEN 'late'
      WHEN pending = 'held' THEN 'waiting'
      WHEN pending = 'rejected' THEN 'rejected'
      WHEN is_withdrawn THEN 'withdrawn'
      WHEN is_past_due THEN 'missing'
      ELSE 'open'
    END AS state,
    is_received OR is_past_due AS is_due,
    is_received,
    is_past_due AND NOT is_received AS is_missing,
    package_id,
    revision,
    row_cnt,
    first_received_at,
    received_at,
    pending,
    -- Periods without a received one between them belong together.
    COUNT(CASE WHEN is_received THEN 1 END) OVER (
      PARTITION BY site_code, report
      ORDER BY first_day, period
    ) AS received_before_cnt
  FROM joined
)
SELECT
  site_code,
  site_name,
  report,
  title,
  every,
  period,
  first_day,
  last_day,
  due_at,
  state,
  is_due,
  is_received,
  state = 'on_time' AS is_on_time,
  is_missing,
  CASE
    WHEN is_missing
      THEN MIN(CASE WHEN is_missing THEN first_day END) OVER (
        PARTITION BY site_code, report, received_before_cnt
      )
  END AS missing_since_day,
  package_id,
  revision,
  row_cnt,
  first_received_at,
  received_at,
  pending
FROM judged
ORDER BY site_code, report, period
