-- What was accepted: the standing revision of every site, report and period, and when it first came.
WITH accepted AS (
  SELECT
    site_code,
    report,
    period,
    package_id,
    revision,
    row_count,
    COALESCE(kind, 'report') = 'withdrawal' AS is_withdrawn,
    received_at,
    cut_off_at,
    ROW_NUMBER() OVER (
      PARTITION BY site_code, report, period
      ORDER BY revision DESC, received_at DESC, package_id
    ) AS recency
  FROM ops.received
  WHERE outcome = 'accepted'
),
counted AS (
  SELECT
    site_code,
    report,
    period,
    COUNT(*) AS accepted_cnt,
    MIN(received_at) AS first_received_at
  FROM accepted
  GROUP BY
    site_code,
    report,
    period
)
SELECT
  accepted.site_code,
  accepted.report,
  accepted.period,
  accepted.package_id,
  accepted.revision,
  accepted.row_count AS row_cnt,
  accepted.is_withdrawn,
  counted.accepted_cnt,
  counted.first_received_at,
  accepted.received_at,
  accepted.cut_off_at
FROM accepted
INNER JOIN counted
  ON counted.site_code = accepted.site_code
  AND counted.report = accepted.report
  AND counted.period = accepted.period
WHERE accepted.recency = 1
ORDER BY site_code, report, period
