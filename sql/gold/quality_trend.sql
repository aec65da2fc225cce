-- The score of every feed and day, and how it moved since the day, the week, the 30 days before.
WITH weighed AS (
  SELECT
    feed,
    day,
    CAST(SUM(weight) AS BIGINT) AS weight,
    CAST(SUM(weight * CAST(100 * pass_pct AS BIGINT)) AS BIGINT) AS points
  FROM gold.quality_by_feed_day
  GROUP BY
    feed,
    day
  -- Of a feed whose records were never checked there is nothing to be scored.
  HAVING
    COUNT(*) FILTER (WHERE dimension NOT IN ('timeliness', 'accessibility')) > 0
),
scored AS (
  SELECT
    feed,
    day,
    CAST((2 * points + weight) // (2 * weight) * 0.01 AS DECIMAL(5, 2)) AS score
  FROM weighed
)
SELECT
  today.feed,
  today.day,
  today.score,
  CASE
    WHEN today.score >= 90 THEN '1'
    WHEN today.score >= 80 THEN '2'
    WHEN today.score >= 70 THEN '3'
    WHEN today.score >= 60 THEN '4'
    ELSE '5'
  END AS grade,
  CAST(today.score - day_before.score AS DECIMAL(5, 2)) AS since_day,
  CAST(today.score - week_before.score AS DECIMAL(5, 2)) AS since_week,
  CAST(today.score - month_before.score AS DECIMAL(5, 2)) AS since_month
FROM scored AS today
LEFT JOIN scored AS day_before
  ON day_before.feed = today.feed
  AND day_before.day = today.day - 1
LEFT JOIN scored AS week_before
  ON week_before.feed = today.feed
  AND week_before.day = today.day - 7
LEFT JOIN scored AS month_before
  ON month_before.feed = today.feed
  AND month_before.day = today.day - 30
ORDER BY feed, day
